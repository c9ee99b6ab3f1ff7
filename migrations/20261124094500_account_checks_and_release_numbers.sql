-- What AWS said when a check could not be made, and release numbers that are never given twice.

alter table accounts add column check_error_raw text;
comment on column accounts.check_error_raw is 'What AWS said when the last check could not be made.';

alter table models add column last_release integer not null default 0;
comment on column models.last_release is 'The highest release number given so far; deleting a release does not give its number back.';
update models set last_release = coalesce((select max(number) from releases where model_id = models.id), 0);
