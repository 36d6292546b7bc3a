-- Events cannot be changed by mistake. A role that can disable this trigger is detected by the MACs and the signed checkpoints.
create or replace function refuse_audit_change() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  raise exception 'the audit log is only ever added to' using errcode = 'integrity_constraint_violation';
end $$;
create or replace trigger append_only before update or truncate on audit_events
  for each statement execute function refuse_audit_change();

-- Only the pruning job deletes events, after their retention period, and it audits that. Young events cannot be deleted by mistake.
create or replace function refuse_audit_removal() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if current_setting('tenant_secrets.prunes_audit_events', true) = 'on' and old.occurred_at < now() - interval '30 days' then
    return old;
  end if;
  raise exception 'the audit log is only ever added to' using errcode = 'integrity_constraint_violation';
end $$;
create or replace trigger keep_events before delete on audit_events
  for each row execute function refuse_audit_removal();
create or replace trigger append_only before update or delete or truncate on audit_checkpoints
  for each statement execute function refuse_audit_change();
