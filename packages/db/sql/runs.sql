-- Extends the caller's lease on a run and stores the run's position, if the run is still its caller's to drive. It is the first
-- statement of a step's transaction: a takeover waits for that transaction, and all later ones of the old holder are rejected.
-- The application role has no other access to runs, and learns holder and token only from the process that took the lease.
create or replace function hold_run(run uuid, holder uuid, token bigint, seconds integer, position_json text, done_now integer, rate_now real)
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
declare
  held record;
begin
  select state, lease_holder, fence into held from public.runs where id = run for update;
  if not found then return 'lost'; end if;
  if held.fence <> token then
    return case when held.state in ('cancelling', 'cancelled') then held.state else 'lost' end;
  end if;
  if held.state not in ('running', 'cancelling') then return held.state; end if;
  -- A cancellation ends the lease of the phase; the lease of the clean-up has a token of its own.
  if held.lease_holder is distinct from holder then
    return case when held.state = 'cancelling' then held.state else 'lost' end;
  end if;
  update public.runs set
    lease_until = clock_timestamp() + make_interval(secs => seconds),
    updated_at = clock_timestamp(),
    cursor = coalesce(position_json::jsonb, cursor),
    done = coalesce(done_now, done),
    rate = coalesce(rate_now, rate)
  where id = run;
  return 'held';
end $$;
alter function hold_run(uuid, uuid, bigint, integer, text, integer, real) owner to tenant_secrets_maintenance;
grant execute on function hold_run(uuid, uuid, bigint, integer, text, integer, real)
  to tenant_secrets_application, tenant_secrets_maintenance;

-- Runs that are not over, and those whose reports are receipts, are not deleted by mistake.
create or replace function refuse_run_removal() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  if old.finished_at is null or old.kind in ('delete-company', 'rotate-master-key') then
    raise exception 'this run is kept' using errcode = 'integrity_constraint_violation';
  end if;
  return old;
end $$;
create or replace trigger keep_runs before delete on runs
  for each row execute function refuse_run_removal();
