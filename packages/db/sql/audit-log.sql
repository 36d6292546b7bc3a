-- Nobody changes the record by mistake. Whoever may switch a trigger off is found out by the MACs and the sealed batches.
create or replace function refuse_record_change() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  raise exception 'the record is only ever added to' using errcode = 'integrity_constraint_violation';
end $$;
create or replace trigger append_only before update or delete or truncate on audit_events
  for each statement execute function refuse_record_change();
create or replace trigger append_only before update or delete or truncate on audit_batches
  for each statement execute function refuse_record_change();
