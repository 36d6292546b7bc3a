-- How the secrets of the company that the transaction is set to are rotated, each with its rotation that is not over. It runs as
-- the maintenance role: the application's role reaches neither policies nor runs by itself.
create or replace function rotations_of_company()
  returns table (secret_key text, driver text, state text, next_due_at timestamptz, run uuid, run_state text, run_phase text,
    run_not_before timestamptz)
  language sql stable security definer
  set search_path = pg_catalog
as $$
  select p.secret_key, p.driver, p.state, p.next_due_at, r.id, r.state, r.phase, r.not_before
  from public.rotation_policies p
  left join public.runs r on r.kind = 'rotate-secret' and r.subject = p.company_id || ' ' || p.secret_key
    and r.finished_at is null
  where p.company_id = nullif(current_setting('tenant_secrets.company_id', true), '')::uuid
$$;
alter function rotations_of_company() owner to tenant_secrets_maintenance;
grant execute on function rotations_of_company() to tenant_secrets_application, tenant_secrets_maintenance;
