-- What others take away of what Slipway set in a cluster, too: nobody owns such a field any more, so that it shows only against what was set.

alter table inventory add column owned jsonb not null default '{}';
comment on column inventory.owned is 'The fields that Slipway held when it applied it last, each with its value where that may be told.';
comment on column inventory.others is 'Fields that others set or took away, when it was looked at last; a Deployment''s are in observed_deployments.';

create function changed_fields(made inventory, there bigint, own jsonb, others jsonb) returns jsonb language sql immutable as $$
    with owned as (
        -- Of what was written since, or before, it is not known what was set.
        select key as field, value as wanted from jsonb_each(made.owned) where made.generation = there
    ), set_by_others as (
        select number, field || jsonb_build_object('wanted', made.owned -> (field ->> 'field')) as field from jsonb_array_elements(others) with ordinality as o (field, number)
    ), lost as (
        select field, wanted from owned
        where not own ? field
          and not exists (select from set_by_others o where owned.field = o.field ->> 'field' or starts_with(owned.field, (o.field ->> 'field') || '.') or starts_with(owned.field, (o.field ->> 'field') || '['))
    ), taken_away as (
        -- Of what went whole, what was in it goes without saying.
        select field, wanted from lost
        where not exists (select from lost whole where starts_with(lost.field, whole.field || '.') or starts_with(lost.field, whole.field || '['))
        order by field limit 20
    )
    select coalesce(jsonb_agg(field order by number, field ->> 'field'), '[]')
    from (
        select number, field from set_by_others
        union all
        select null, jsonb_build_object('kind', made.kind, 'name', made.name, 'field', field, 'manager', null, 'wanted', wanted, 'found', null) from taken_away
    ) as changed
$$;
comment on function changed_fields is 'What others changed of an object that was made: what they set, and what of it Slipway holds no more. Given are the generation that it says it is of, the fields that Slipway holds of it now, by name, and those that others set.';

-- What one person or token did.
create index audit_events_actor on audit_events (actor_id, id desc);
