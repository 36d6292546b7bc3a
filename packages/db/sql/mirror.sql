-- A company whose folder in Infisical is a mirror of the database: each change adds the job that brings it there, in the
-- transaction of the change. The job is the same for all changes within two seconds. A deferred trigger, because the row of a job
-- is locked until the commit: before that, two writers could wait for each other's heads.
create or replace function enqueue_mirror() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  -- Once a transaction.
  if current_setting('tenant_secrets.mirror_enqueued', true) is distinct from new.company_id::text
    and exists (select from public.company_stores s where s.company_id = new.company_id and s.is_mirrored)
  then
    -- A later change does not put the job off.
    perform graphile_worker.add_job('mirror-company', json_build_object('company', new.company_id),
      run_at => now() + interval '2 seconds', job_key => 'mirror-company:' || new.company_id, job_key_mode => 'preserve_run_at');
    perform set_config('tenant_secrets.mirror_enqueued', new.company_id::text, true);
  end if;
  return null;
end $$;
alter function enqueue_mirror() owner to tenant_secrets_maintenance;
drop trigger if exists mirror_insert on company_secrets;
create constraint trigger mirror_insert after insert on company_secrets deferrable initially deferred
  for each row execute function enqueue_mirror();
drop trigger if exists mirror_update on company_secrets;
create constraint trigger mirror_update after update on company_secrets deferrable initially deferred
  for each row when (old.current_version is distinct from new.current_version
    or (old.deleted_at is null) <> (new.deleted_at is null)) execute function enqueue_mirror();

-- The first statement of each transaction of a pass of the mirror: extends its lease, if it still has one. A mirror that was
-- switched off, or that another pass has taken over, is refused. The application's role has no other access to leases.
create or replace function hold_mirror(company uuid, holder uuid) returns boolean
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  update public.company_stores set mirror_until = clock_timestamp() + interval '40 seconds'
    where company_id = company and mirror_holder = holder and is_mirrored;
  return found;
end $$;
alter function hold_mirror(uuid, uuid) owner to tenant_secrets_maintenance;
grant execute on function hold_mirror(uuid, uuid) to tenant_secrets_application, tenant_secrets_maintenance;
