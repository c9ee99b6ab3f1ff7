-- How much of each scope is looked at just now is counted with every claim: of tens of thousands of marks these are the few that are claimed.
create index reconcile_claimed on reconcile (scope) where lease_until is not null;
