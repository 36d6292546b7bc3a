-- The job runner's own tables are made before this runs (migrate.ts), by its own migrations, with row-level security on
-- and no policy. The maintenance role runs jobs and gets what that takes; everybody else gets nothing, and the
-- application's role may add a job through one function.

revoke all on schema graphile_worker from public;
revoke execute on all functions in schema graphile_worker from public;
grant usage on schema graphile_worker to tenant_secrets_maintenance;
grant select on graphile_worker.migrations to tenant_secrets_maintenance;
grant select, insert, update, delete on graphile_worker._private_jobs to tenant_secrets_maintenance;
grant select, insert on graphile_worker._private_tasks to tenant_secrets_maintenance;
grant select, insert, update on graphile_worker._private_job_queues, graphile_worker._private_known_crontabs
  to tenant_secrets_maintenance;
do $$
declare
  relation text;
begin
  foreach relation in array array['_private_jobs', '_private_tasks', '_private_job_queues', '_private_known_crontabs']
  loop
    execute format('drop policy if exists maintenance on graphile_worker.%I', relation);
    execute format(
      'create policy maintenance on graphile_worker.%I to tenant_secrets_maintenance using (true) with check (true)', relation);
  end loop;
end $$;
grant execute on function
  graphile_worker.add_job(text, json, text, timestamptz, integer, text, integer, text[], text),
  graphile_worker.add_jobs(graphile_worker.job_spec[], boolean),
  graphile_worker.force_unlock_workers(text[])
  to tenant_secrets_maintenance;

-- Adds jobs of one task to the caller's transaction, each `{"payload", "job_key", "run_at"}`, no key twice. The names of tasks
-- are rows: each process that runs jobs adds its own, and the application's role may use those. The maintenance role, which
-- could add any job without this, may name a task that no process has started with yet. A key belongs to its task, so that no
-- job of another task is replaced.
create or replace function enqueue_jobs(task text, jobs json) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  if task is null or task !~ '^[a-z][a-z-]{0,62}$'
    or not pg_has_role(session_user, 'tenant_secrets_maintenance', 'member')
      and not exists (select from public.job_tasks t where t.name = enqueue_jobs.task)
  then
    raise exception 'there is no such task' using errcode = 'invalid_parameter_value';
  end if;
  if exists (
    select from json_array_elements(jobs) j
    where json_typeof(j->'payload') is distinct from 'object' or octet_length((j->'payload')::text) > 8192)
  then
    raise exception 'the payload of a job is an object of at most 8 KiB' using errcode = 'invalid_parameter_value';
  end if;
  perform graphile_worker.add_jobs(array(
    select row(task, j.payload, null, j.run_at, null, task || ':' || j.job_key, null, null)::graphile_worker.job_spec
    from json_to_recordset(jobs) as j(payload json, job_key text, run_at timestamptz)));
end $$;
alter function enqueue_jobs(text, json) owner to tenant_secrets_maintenance;
grant execute on function enqueue_jobs(text, json) to tenant_secrets_application, tenant_secrets_maintenance;
