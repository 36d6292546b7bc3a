-- A value that is not the current one can be changed by itself, and is kept where webhooks are verified with it. What a
-- provider said of it changes nothing that is kept.
create function notify_of_version() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  perform pg_notify('tenant_secrets', 'company-secrets ' || old.company_id);
  return null;
end $$;
--> statement-breakpoint
create trigger notify_update after update on company_secret_versions
  for each row when (old.sealed is distinct from new.sealed) execute function notify_of_version();
--> statement-breakpoint
create trigger notify_delete after delete on company_secret_versions
  for each row execute function notify_of_version();
