alter table users add column last_seen_at timestamptz;
comment on column users.last_seen_at is 'When they, or a token of theirs, last asked for something; moved at most once a minute.';
