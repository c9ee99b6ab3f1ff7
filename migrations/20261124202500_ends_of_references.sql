-- What refers to something says so, and what is asked for often or swept has an index.

alter table deployments
    add constraint deployments_model foreign key (model_id) references models,
    -- A deployment and its first revision are written in one transaction, in this order.
    add constraint deployments_revision foreign key (id, revision) references revisions (deployment_id, number) deferrable initially deferred,
    add constraint deployments_live_revision foreign key (id, live_revision) references revisions (deployment_id, number) deferrable initially deferred;
create index deployments_model on deployments (model_id, changed_at desc, id desc);

create index operations_finished on operations (finished_at);

-- The primary key is read backwards as well.
drop index audit_events_page;
