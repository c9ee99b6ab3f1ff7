-- What others take away of what Slipway set in a cluster, too: nobody owns such a field any more, so that it shows only against what was set.

alter table inventory add column owned jsonb not null default '{}';
comment on column inventory.owned is 'The fields that Slipway held when it applied it last, each with its value where that may be told.';
comment on column inventory.others is 'Fields that others set or took away, when it was looked at last; a Deployment''s are in observed_deployments.';

create function changed_fields(made inventory, there bigint, own jsonb, others jsonb) returns jsonb language plpgsql immutable as $$
begin
    -- As nearly always: nothing of it.
    if others = '[]' and (own = '{}' or made.generation <> there or own ?& array(select jsonb_object_keys(made.owned))) then
        return others;
    end if;
    return (
        with owned as (
            -- Of another generation, written since or before, it is not known what was set. An object without any is the same in all of them.
            select key as field, value as wanted from jsonb_each(made.owned) where coalesce(made.generation = there, true)
        ), set_by_others as (
            select o.number, o.field || jsonb_build_object('wanted', owned.wanted) as field
            from jsonb_array_elements(others) with ordinality as o (field, number) left join owned on owned.field = o.field ->> 'field'
        ), lost as (
            -- Who holds nothing at all is not told by Kubernetes any more; and what was one field may be several now.
            select field, wanted from owned
            where not own ? field and own <> '{}'
              and not exists (select from jsonb_object_keys(own) held where starts_with(held, owned.field || '.') or starts_with(held, owned.field || '['))
              and not exists (select from set_by_others o where owned.field = o.field ->> 'field' or starts_with(owned.field, (o.field ->> 'field') || '.') or starts_with(owned.field, (o.field ->> 'field') || '['))
        ), taken_away as (
            -- Of what went whole, what was in it goes without saying.
            select field, wanted from lost
            where not exists (select from lost whole where starts_with(lost.field, whole.field || '.') or starts_with(lost.field, whole.field || '['))
        )
        select coalesce(jsonb_agg(field order by number, field ->> 'field'), '[]')
        from (
            select number, field from set_by_others
            union all
            select null, jsonb_build_object('kind', made.kind, 'name', made.name, 'field', field, 'manager', null, 'wanted', wanted, 'found', null) from taken_away
            -- More are not told one by one.
            order by 1, 2 limit 20
        ) as changed
    );
end
$$;
comment on function changed_fields is 'What others changed of an object that was made: what they set, and what of it Slipway holds no more. Given are the generation that it says it is of, if it says any, the fields that Slipway holds of it now, by name, and those that others set.';

-- What one person or token did.
create index audit_events_actor on audit_events (actor_id, id desc);
