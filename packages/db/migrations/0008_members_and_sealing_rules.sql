grant select, insert, update on users to tenant_secrets_maintenance;
--> statement-breakpoint
alter table memberships enable row level security;
--> statement-breakpoint
alter table memberships force row level security;
--> statement-breakpoint
create policy company on memberships to tenant_secrets_application
  using (company_id = (select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid))
  with check (company_id = (select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid));
--> statement-breakpoint
create policy maintenance on memberships to tenant_secrets_maintenance using (true) with check (true);
--> statement-breakpoint
grant select, insert, update, delete on memberships to tenant_secrets_maintenance;
--> statement-breakpoint
grant select, insert on audit_batches to tenant_secrets_maintenance;
--> statement-breakpoint
-- Counters are of no company: most are about somebody who is nobody yet. Their keys are hashes.
grant select, insert, update, delete on rate_limits to tenant_secrets_application, tenant_secrets_maintenance;
--> statement-breakpoint

-- Who a person is and where they belong, in one look, before a company is known.
create function find_user(wanted uuid)
  returns table (id uuid, email text, valid boolean, company_ids uuid[], roles text[])
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select u.id, u.email, u.disabled_at is null,
    array(select m.company_id from public.memberships m where m.user_id = u.id order by m.company_id),
    array(select m.role from public.memberships m where m.user_id = u.id order by m.company_id)
  from public.users u where u.id = wanted
$$;
--> statement-breakpoint
grant create on schema public to tenant_secrets_maintenance;
--> statement-breakpoint
alter function find_user(uuid) owner to tenant_secrets_maintenance;
--> statement-breakpoint
revoke create on schema public from tenant_secrets_maintenance;
--> statement-breakpoint
revoke execute on function find_user(uuid) from public;
--> statement-breakpoint
grant execute on function find_user(uuid) to tenant_secrets_application, tenant_secrets_maintenance;
--> statement-breakpoint
create trigger notify_change after insert or update or delete on users
  for each statement execute function notify_subject('credentials');
--> statement-breakpoint
create trigger notify_change after insert or update or delete on memberships
  for each statement execute function notify_subject('credentials');
--> statement-breakpoint

-- Nobody changes the record by mistake. Whoever may switch a trigger off is found out by the MACs and the sealed batches.
create function refuse_record_change() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  raise exception 'the record is only ever added to' using errcode = 'integrity_constraint_violation';
end $$;
--> statement-breakpoint
revoke execute on function refuse_record_change() from public;
--> statement-breakpoint
create trigger append_only before update or delete or truncate on audit_events
  for each statement execute function refuse_record_change();
--> statement-breakpoint
create trigger append_only before update or delete or truncate on audit_batches
  for each statement execute function refuse_record_change();
--> statement-breakpoint

-- The same function with the tasks that there are now.
create or replace function enqueue_job(task text, payload json, job_key text, run_at timestamptz) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  if task is null or task <> all (
    array['check-master-key-age', 'forget-processes', 'forget-rate-limits', 'forget-write-requests', 'reseal-company',
      'rotate-master-key'])
  then
    raise exception 'there is no such task' using errcode = 'invalid_parameter_value';
  end if;
  if json_typeof(payload) is distinct from 'object' or octet_length(payload::text) > 8192 then
    raise exception 'the payload of a job is an object of at most 8 KiB' using errcode = 'invalid_parameter_value';
  end if;
  perform graphile_worker.add_job(task, payload, run_at => enqueue_job.run_at, job_key => task || ':' || enqueue_job.job_key);
end $$;
