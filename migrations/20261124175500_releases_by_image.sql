-- Which release has the same image is told in every list of releases.
create index releases_by_image on releases (model_id, digest, number);
comment on column operations.object_name is 'Its name at that time; of a workspace with its cluster''s, since teams use one name on several.';
