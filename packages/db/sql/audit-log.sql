-- Nobody changes the audit log by mistake. Whoever may switch a trigger off is found out by the MACs and the sealed batches.
create or replace function refuse_audit_change() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  raise exception 'the audit log is only ever added to' using errcode = 'integrity_constraint_violation';
end $$;
create or replace trigger append_only before update or truncate on audit_events
  for each statement execute function refuse_audit_change();

-- Events that are kept for long enough are removed by the job that says so in the audit log. Not by mistake, and none that is young.
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
