-- Rows that decide authorization. Processes that have the row key make and verify their MACs. These triggers only serialise
-- honest writers: an administrator of the database can disable them.

-- MACs are made under the active row key only. The lock serialises writes with a rotation of that key, so that the rotation
-- also re-MACs the rows that were written meanwhile.
create or replace function refuse_row_mac() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
declare
  state text;
begin
  select status into state from public.audit_keys where purpose = 'row' and key_version = new.mac_key_version for share;
  if state is distinct from 'active' then
    raise exception 'key % of rows is not the one in use', new.mac_key_version using errcode = 'object_not_in_prerequisite_state';
  end if;
  if tg_op = 'UPDATE' then
    if new.revision < old.revision then
      raise exception 'an older state of a row is not put back' using errcode = 'integrity_constraint_violation';
    end if;
  end if;
  return new;
end $$;
-- A revocation is final.
create or replace function refuse_revival() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  raise exception 'a revocation is final' using errcode = 'integrity_constraint_violation';
end $$;
do $$
declare
  relation text;
begin
  foreach relation in array array['companies', 'operators', 'users', 'memberships', 'invitations', 'api_keys', 'approvals', 'regions',
    'company_regions'] loop
    execute format('create or replace trigger mac_under_key_in_use before insert or update of revision, mac_key_version, mac on %I '
      'for each row execute function refuse_row_mac()', relation);
  end loop;
  foreach relation in array array['operators', 'api_keys', 'invitations'] loop
    execute format('create or replace trigger revoked_for_good before update on %I '
      'for each row when (old.revoked_at is not null and new.revoked_at is null) execute function refuse_revival()', relation);
  end loop;
end $$;
create or replace trigger removed_for_good before update on regions
  for each row when (old.removed_at is not null and new.removed_at is null) execute function refuse_revival();
