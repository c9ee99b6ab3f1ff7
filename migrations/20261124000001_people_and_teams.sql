-- People, teams and how they sign in.

create type platform_role as enum ('auditor', 'admin');
create type team_role as enum ('viewer', 'deployer', 'owner');
create type link_purpose as enum ('first_admin', 'invitation', 'password_reset');
create type token_kind as enum ('personal', 'team');

create table installation (
    id uuid primary key,
    only_one boolean not null default true constraint installation_only_one unique check (only_one),
    cursor_key bytea not null check (octet_length(cursor_key) = 32),
    created_at timestamptz not null default now()
);
comment on table installation is 'This installation of Slipway: one row. Its id marks every Kubernetes object Slipway makes, so that a restored database is noticed.';
comment on column installation.id is 'Written on objects in clusters.';
comment on column installation.only_one is 'Keeps the table at one row.';
comment on column installation.cursor_key is 'Signs page tokens, so that only tokens given out here are read.';
comment on column installation.created_at is 'When the database was first migrated.';

create table users (
    id uuid primary key,
    email text not null constraint users_email_unique unique check (email = lower(email)),
    name text not null,
    password_hash text not null,
    platform_role platform_role,
    disabled_at timestamptz,
    version bigint not null default 1,
    created_at timestamptz not null default now()
);
comment on table users is 'People.';
comment on column users.id is 'UUIDv7.';
comment on column users.email is 'In lower case; how they sign in.';
comment on column users.name is 'As they write it.';
comment on column users.password_hash is 'argon2id, in PHC form.';
comment on column users.platform_role is 'Null for most people.';
comment on column users.disabled_at is 'Set: cannot sign in, sessions and tokens are dead.';
comment on column users.version is 'Rises with every change; the ETag.';
comment on column users.created_at is 'When they came in.';

create table teams (
    id uuid primary key,
    name text not null constraint teams_name_unique unique,
    description text not null default '',
    version bigint not null default 1,
    created_at timestamptz not null default now()
);
comment on table teams is 'Groups that own models, workspaces and deployments.';
comment on column teams.id is 'UUIDv7; part of the service accounts a team acts through in clusters.';
comment on column teams.name is 'A DNS label; part of addresses.';
comment on column teams.description is 'Free text.';
comment on column teams.version is 'Rises with every change; the ETag.';
comment on column teams.created_at is 'When it was made.';

create table members (
    team_id uuid not null references teams on delete cascade,
    user_id uuid not null references users on delete cascade,
    role team_role not null,
    created_at timestamptz not null default now(),
    primary key (team_id, user_id)
);
create index members_user on members (user_id);
comment on table members is 'Who is in which team, as what.';
comment on column members.team_id is 'The team.';
comment on column members.user_id is 'The person.';
comment on column members.role is 'Each role includes the ones before it.';
comment on column members.created_at is 'Since when.';

create table one_time_links (
    id uuid primary key,
    purpose link_purpose not null,
    secret_hash bytea not null constraint one_time_links_secret_unique unique,
    email text,
    user_id uuid references users on delete cascade,
    platform_role platform_role,
    team_id uuid references teams on delete cascade,
    team_role team_role,
    created_by uuid references users on delete set null,
    created_by_name text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz
);
comment on table one_time_links is 'Links that work once: the first admin, invitations, password resets.';
comment on column one_time_links.id is 'UUIDv7.';
comment on column one_time_links.purpose is 'What it is for.';
comment on column one_time_links.secret_hash is 'SHA-256 of the secret in the link; the secret itself is not kept.';
comment on column one_time_links.email is 'Who is invited; null for the first admin.';
comment on column one_time_links.user_id is 'Whose password is reset.';
comment on column one_time_links.platform_role is 'The platform role they get.';
comment on column one_time_links.team_id is 'The team they join.';
comment on column one_time_links.team_role is 'As what.';
comment on column one_time_links.created_by is 'Who made it; null for the system.';
comment on column one_time_links.created_by_name is 'Their name at that time.';
comment on column one_time_links.created_at is 'When.';
comment on column one_time_links.expires_at is 'From then on it does not work.';
comment on column one_time_links.used_at is 'When it was used.';

create table sessions (
    secret_hash bytea primary key,
    user_id uuid not null references users on delete cascade,
    created_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    user_agent text not null default ''
);
create index sessions_user on sessions (user_id);
create index sessions_expires on sessions (expires_at);
comment on table sessions is 'Signed-in browsers.';
comment on column sessions.secret_hash is 'SHA-256 of the cookie; reading this table gives nobody a session.';
comment on column sessions.user_id is 'Who.';
comment on column sessions.created_at is 'When they signed in.';
comment on column sessions.last_seen_at is 'Moved at most once a minute; idle sessions end.';
comment on column sessions.expires_at is 'The end, whatever happens.';
comment on column sessions.user_agent is 'What the browser called itself, shown on the profile page.';

create table tokens (
    id uuid primary key,
    secret_hash bytea not null constraint tokens_secret_unique unique,
    prefix text not null,
    name text not null,
    kind token_kind not null,
    user_id uuid references users on delete cascade,
    team_id uuid references teams on delete cascade,
    role team_role,
    created_by uuid references users on delete set null,
    created_by_name text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    last_used_at timestamptz,
    revoked_at timestamptz,
    constraint tokens_shape check (
        (kind = 'personal' and user_id is not null and (team_id is null) = (role is null))
        or (kind = 'team' and user_id is null and team_id is not null and role is not null)
    )
);
create index tokens_user on tokens (user_id);
create index tokens_team on tokens (team_id);
comment on table tokens is 'API tokens.';
comment on column tokens.id is 'UUIDv7; named in clusters'' audit logs.';
comment on column tokens.secret_hash is 'SHA-256 of the token; the token itself is not kept.';
comment on column tokens.prefix is 'Its first characters, to recognize it by.';
comment on column tokens.name is 'What it is for, in its maker''s words.';
comment on column tokens.kind is 'Whose rights it carries.';
comment on column tokens.user_id is 'Personal: whose.';
comment on column tokens.team_id is 'The only team it is good for.';
comment on column tokens.role is 'The most it may do there.';
comment on column tokens.created_by is 'Who made it.';
comment on column tokens.created_by_name is 'Their name at that time.';
comment on column tokens.created_at is 'When.';
comment on column tokens.expires_at is 'From then on it does not work.';
comment on column tokens.last_used_at is 'Moved at most once a minute.';
comment on column tokens.revoked_at is 'Set: it does not work any more.';

create table attempts (
    key text not null,
    window_start timestamptz not null,
    count integer not null default 1,
    primary key (key, window_start)
);
comment on table attempts is 'Counts that limit rates across replicas: sign-ins by address and by e-mail, bad tokens.';
comment on column attempts.key is 'What is counted: sign-in:address:203.0.113.7.';
comment on column attempts.window_start is 'The start of the window counted in.';
comment on column attempts.count is 'How many.';
