-- Sessions get names of their own, so that people can see and end them without anyone seeing a secret's hash.

alter table sessions
    add column id uuid not null default gen_random_uuid() constraint sessions_id_unique unique,
    add column address text;
comment on column sessions.id is 'Names the session on the profile page; worthless as a secret.';
comment on column sessions.address is 'The network address it was opened from, shown on the profile page.';

create index one_time_links_user on one_time_links (user_id);
create index one_time_links_email on one_time_links (email);
create index attempts_window on attempts (window_start);

comment on table attempts is 'Counts that limit rates across replicas: sign-ins by address and by e-mail, guesses of one''s own password.';
