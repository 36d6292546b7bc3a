-- Nobody changes the record by mistake. Whoever may switch a trigger off is found out by the MACs and the sealed batches.
create or replace function refuse_record_change() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  raise exception 'the record is only ever added to' using errcode = 'integrity_constraint_violation';
end $$;
create or replace trigger append_only before update or truncate on audit_events
  for each statement execute function refuse_record_change();

-- Events that are kept for long enough are removed by the job that says so on record. Not by mistake, and none that is young.
create or replace function refuse_record_removal() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if current_setting('tenant_secrets.forgets_events', true) = 'on' and old.occurred_at < now() - interval '30 days' then
    return old;
  end if;
  raise exception 'the record is only ever added to' using errcode = 'integrity_constraint_violation';
end $$;
create or replace trigger keep_events before delete on audit_events
  for each row execute function refuse_record_removal();
create or replace trigger append_only before update or delete or truncate on audit_batches
  for each statement execute function refuse_record_change();
