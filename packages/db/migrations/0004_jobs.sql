-- The job runner's own tables are made before this runs (migrate.ts), by its own migrations, with row-level security on
-- and no policy. The maintenance role runs jobs and gets what that takes; everybody else gets nothing, and the
-- application's role may add a job through one function.

revoke all on schema graphile_worker from public;
--> statement-breakpoint
revoke execute on all functions in schema graphile_worker from public;
--> statement-breakpoint
grant usage on schema graphile_worker to tenant_secrets_maintenance;
--> statement-breakpoint
grant select on graphile_worker.migrations to tenant_secrets_maintenance;
--> statement-breakpoint
grant select, insert, update, delete on graphile_worker._private_jobs to tenant_secrets_maintenance;
--> statement-breakpoint
grant select, insert on graphile_worker._private_tasks to tenant_secrets_maintenance;
--> statement-breakpoint
grant select, insert, update on graphile_worker._private_job_queues, graphile_worker._private_known_crontabs
  to tenant_secrets_maintenance;
--> statement-breakpoint
do $$
declare
  relation text;
begin
  foreach relation in array array['_private_jobs', '_private_tasks', '_private_job_queues', '_private_known_crontabs']
  loop
    execute format(
      'create policy maintenance on graphile_worker.%I to tenant_secrets_maintenance using (true) with check (true)', relation);
  end loop;
end $$;
--> statement-breakpoint
grant execute on function
  graphile_worker.add_job(text, json, text, timestamptz, integer, text, integer, text[], text),
  graphile_worker.add_jobs(graphile_worker.job_spec[], boolean),
  graphile_worker.force_unlock_workers(text[])
  to tenant_secrets_maintenance;
--> statement-breakpoint

-- Adds a job to the caller's transaction. The tasks are the listed ones (packages/db/src/jobs/enqueue.ts has the same
-- list); a key belongs to its task, so that nobody replaces a job of another one.
create function enqueue_job(task text, payload json, job_key text, run_at timestamptz) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  if task is null or task <> all (
    array['check-master-key-age', 'forget-processes', 'forget-write-requests', 'reseal-company', 'rewrap-keys'])
  then
    raise exception 'there is no such task' using errcode = 'invalid_parameter_value';
  end if;
  if json_typeof(payload) is distinct from 'object' or octet_length(payload::text) > 8192 then
    raise exception 'the payload of a job is an object of at most 8 KiB' using errcode = 'invalid_parameter_value';
  end if;
  perform graphile_worker.add_job(task, payload, run_at => enqueue_job.run_at, job_key => task || ':' || enqueue_job.job_key);
end $$;
--> statement-breakpoint
grant create on schema public to tenant_secrets_maintenance;
--> statement-breakpoint
alter function enqueue_job(text, json, text, timestamptz) owner to tenant_secrets_maintenance;
--> statement-breakpoint
revoke create on schema public from tenant_secrets_maintenance;
--> statement-breakpoint
revoke execute on function enqueue_job(text, json, text, timestamptz) from public;
--> statement-breakpoint
grant execute on function enqueue_job(text, json, text, timestamptz) to tenant_secrets_application, tenant_secrets_maintenance;
