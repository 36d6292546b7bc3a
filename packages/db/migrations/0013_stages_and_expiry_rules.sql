alter table secret_uses enable row level security;
--> statement-breakpoint
alter table secret_uses force row level security;
--> statement-breakpoint
create policy company on secret_uses to tenant_secrets_application
  using (company_id = (select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid))
  with check (company_id = (select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid));
--> statement-breakpoint
create policy maintenance on secret_uses to tenant_secrets_maintenance using (true) with check (true);
--> statement-breakpoint
grant select, insert, update on secret_uses to tenant_secrets_application, tenant_secrets_maintenance;
--> statement-breakpoint
grant update (check_result, checked_at) on company_secret_versions to tenant_secrets_application;
--> statement-breakpoint

-- The same function with the tasks that there are now.
create or replace function enqueue_job(task text, payload json, job_key text, run_at timestamptz) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  if task is null or task <> all (
    array['check-credential', 'check-credentials', 'check-master-key-age', 'destroy-old-versions', 'forget-processes',
      'forget-rate-limits', 'forget-write-requests', 'purge-removed-secrets', 'remind-of-expiry', 'reseal-company',
      'rotate-master-key'])
  then
    raise exception 'there is no such task' using errcode = 'invalid_parameter_value';
  end if;
  if json_typeof(payload) is distinct from 'object' or octet_length(payload::text) > 8192 then
    raise exception 'the payload of a job is an object of at most 8 KiB' using errcode = 'invalid_parameter_value';
  end if;
  perform graphile_worker.add_job(task, payload, run_at => enqueue_job.run_at, job_key => task || ':' || enqueue_job.job_key);
end $$;
