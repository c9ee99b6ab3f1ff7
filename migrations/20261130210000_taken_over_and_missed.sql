-- Only what somebody was shown is taken over: what others have set since then stays theirs.
alter table revisions add column takes_over jsonb not null default '[]';
comment on column revisions.takes_over is 'The fields that it may take over, each with its owner as it was shown to whoever made it (null: whoever owns it).';

-- When something was missed is not when it was seen: a look that was on its way meanwhile must not hide it.
alter table inventory add column missed_at timestamptz;
comment on column inventory.missed_at is 'When a watch missed it last; it is looked at when that is later than seen_at.';
comment on column inventory.seen_at is 'When the look began that found it there last, or it was applied.';
