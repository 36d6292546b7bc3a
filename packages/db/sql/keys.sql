-- The permitted state transitions of a master key. All others are rejected for every role.
create or replace function refuse_master_key_change() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if tg_op = 'DELETE' then
    raise exception 'a master key cannot be deleted' using errcode = 'integrity_constraint_violation';
  end if;
  if (new.region, new.version, new.derivation, new.parameters, new.check_value, new.created_at)
      is distinct from (old.region, old.version, old.derivation, old.parameters, old.check_value, old.created_at) then
    raise exception 'what a master key is does not change' using errcode = 'integrity_constraint_violation';
  end if;
  if new.status <> old.status and (old.status, new.status) not in (
      ('pending', 'active'), ('pending', 'destroyed'), ('active', 'retiring'), ('retiring', 'retired'), ('retired', 'destroyed')) then
    raise exception 'a master key does not go from % to %', old.status, new.status using errcode = 'integrity_constraint_violation';
  end if;
  -- The wraps that need this key have no other that will stay.
  if new.status = 'retired' and old.status <> 'retired' and (
    exists (
      select from public.company_key_wraps w
      where w.region = new.region and w.master_key_version = new.version and not exists (
        select from public.company_key_wraps o
        join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
        where o.company_id = w.company_id and o.key_version = w.key_version and o.region = w.region))
    or exists (
      select from public.audit_key_wraps w
      where w.region = new.region and w.master_key_version = new.version and not exists (
        select from public.audit_key_wraps o
        join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
        where o.purpose = w.purpose and o.key_version = w.key_version and o.region = w.region)))
  then
    raise exception 'keys still depend on version % of the master key', new.version using errcode = 'integrity_constraint_violation';
  end if;
  if new.status = 'destroyed' and (
    exists (select from public.company_key_wraps w where w.region = new.region and w.master_key_version = new.version)
    or exists (select from public.audit_key_wraps w where w.region = new.region and w.master_key_version = new.version))
  then
    raise exception 'wraps under version % are still there', new.version using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
create or replace trigger master_key_states before update or delete on master_keys
  for each row execute function refuse_master_key_change();

-- Wraps are made under the active key only. The lock serialises them with changes of that key's state, so that no
-- wrap appears under a key that is being retired. Runs as the maintenance role, because the
-- application's may not look at master keys.
create or replace function refuse_wrap() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog
as $$
declare
  state text;
begin
  select status into state from public.master_keys
  where region = new.region and version = new.master_key_version for share;
  if state is distinct from 'active' then
    raise exception 'version % of the master key is not the active one', new.master_key_version
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  return new;
end $$;
alter function refuse_wrap() owner to tenant_secrets_maintenance;
create or replace trigger wrap_under_active_key before insert on company_key_wraps
  for each row execute function refuse_wrap();
create or replace trigger wrap_under_active_key before insert on audit_key_wraps
  for each row execute function refuse_wrap();

-- A destroyed key cannot be wrapped again, even by a process that still has it in memory. The new key of a company whose keys an
-- external key has encrypted is encrypted by one too, also where a program of a release before that rotates it: only the transaction
-- that takes the external key away says so.
create or replace function refuse_company_wrap() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog
as $$
declare
  state text;
begin
  select status into state from public.company_keys where company_id = new.company_id and key_version = new.key_version for share;
  if state = 'destroyed' then
    raise exception 'this company key was destroyed' using errcode = 'integrity_constraint_violation';
  end if;
  if state = 'active' and new.wrapped like 'tk1.%'
    and current_setting('tenant_secrets.without_external_key', true) is distinct from new.company_id::text
    and exists (
      select from public.company_key_wraps w
      where w.company_id = new.company_id and w.key_version < new.key_version and w.wrapped like 'tx1.%')
    and not exists (
      select from public.company_key_wraps w where w.company_id = new.company_id and w.key_version = new.key_version)
  then
    raise exception 'the keys of this company are wrapped by an external key'
      using errcode = 'integrity_constraint_violation', constraint = 'company_key_external';
  end if;
  return new;
end $$;
alter function refuse_company_wrap() owner to tenant_secrets_maintenance;
create or replace trigger wrap_of_living_key before insert on company_key_wraps
  for each row execute function refuse_company_wrap();

-- The last wrap of a key that is not destroyed is not deleted.
create or replace function refuse_unwrap() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if not exists (select from public.company_keys k where k.company_id = old.company_id and k.key_version = old.key_version and k.status = 'destroyed')
    and not exists (
      select from public.company_key_wraps o
      join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
      where o.company_id = old.company_id and o.key_version = old.key_version and o.region = old.region
        and o.master_key_version <> old.master_key_version)
  then
    raise exception 'a company key has no other wrap' using errcode = 'integrity_constraint_violation';
  end if;
  return old;
end $$;
create or replace trigger last_wrap_stays before delete on company_key_wraps
  for each row execute function refuse_unwrap();

-- A retired row key protects no row any more. Its wraps may be deleted, so that a MAC under it is no longer valid.
create or replace function refuse_audit_unwrap() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if not exists (select from public.audit_keys k
      where k.purpose = old.purpose and k.key_version = old.key_version and k.purpose = 'row' and k.status = 'retired')
    and not exists (
    select from public.audit_key_wraps o
    join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
    where o.purpose = old.purpose and o.key_version = old.key_version and o.region = old.region and o.master_key_version <> old.master_key_version)
  then
    raise exception 'a key of the audit log has no other wrap' using errcode = 'integrity_constraint_violation';
  end if;
  return old;
end $$;
create or replace trigger last_wrap_stays before delete on audit_key_wraps
  for each row execute function refuse_audit_unwrap();

-- A destroyed key stays destroyed, and a shredded company gets no new key. The lock waits for a running shredding before
-- the row is inserted, so that the two cannot deadlock.
create or replace function refuse_company_key() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog
as $$
begin
  if tg_op = 'UPDATE' then
    if old.status = 'destroyed' and new.status <> 'destroyed' then
      raise exception 'a destroyed company key stays destroyed'
        using errcode = 'integrity_constraint_violation', constraint = 'company_key_destroyed';
    end if;
    return new;
  end if;
  perform 1 from public.companies where id = new.company_id for key share;
  if exists (select from public.shreddings where company_id = new.company_id) then
    raise exception 'this company was shredded'
      using errcode = 'integrity_constraint_violation', constraint = 'company_key_destroyed';
  end if;
  return new;
end $$;
alter function refuse_company_key() owner to tenant_secrets_maintenance;
create or replace trigger company_key_destroyed before insert or update on company_keys
  for each row execute function refuse_company_key();

-- Values are encrypted under the active key only, by rotations too, even if a process still has another key in memory. An
-- existing encrypted value may stay as it is, or move between the head of its secret and the row of its version. A value
-- under a destroyed key can neither move nor be restored. The lock serialises writes with changes of the key's state. The
-- argument says of which table the row is: tg_table_name would be a partition's name where a deployment has partitions.
create or replace function refuse_inactive_company_key() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog
as $$
declare
  state text;
  known boolean;
begin
  select status into state from public.company_keys
  where company_id = new.company_id and key_version = new.company_key_version for share;
  if state = 'destroyed' then
    raise exception 'this company key was destroyed'
      using errcode = 'integrity_constraint_violation', constraint = 'company_key_destroyed';
  end if;
  if state = 'active' then
    return new;
  end if;
  if tg_argv[0] = 'head' then
    known := tg_op = 'UPDATE'
        and (new.secret_value_encrypted, new.company_key_version, new.current_version)
          = (old.secret_value_encrypted, old.company_key_version, old.current_version)
      or exists (
        select from public.company_secret_versions v
        where v.company_id = new.company_id and v.secret_key = new.secret_key and v.version = new.current_version
          and v.value_encrypted = new.secret_value_encrypted and v.company_key_version = new.company_key_version);
  else
    known := tg_op = 'UPDATE' and (new.value_encrypted, new.company_key_version) = (old.value_encrypted, old.company_key_version)
      or exists (
        select from public.company_secrets s
        where s.company_id = new.company_id and s.secret_key = new.secret_key and s.current_version = new.version
          and s.secret_value_encrypted = new.value_encrypted and s.company_key_version = new.company_key_version);
  end if;
  if known is not true then
    raise exception 'this company key is not the active one'
      using errcode = 'object_not_in_prerequisite_state', constraint = 'company_key_not_active';
  end if;
  return new;
end $$;
alter function refuse_inactive_company_key() owner to tenant_secrets_maintenance;
-- Shredding replaces an encrypted value with 'destroyed' (shredding.ts).
create or replace trigger company_key_destroyed before insert on company_secrets
  for each row when (new.secret_value_encrypted is not null) execute function refuse_inactive_company_key('head');
create or replace trigger company_key_destroyed_update before update on company_secrets
  for each row when (new.secret_value_encrypted is not null and (
    (new.secret_value_encrypted is distinct from old.secret_value_encrypted and new.secret_value_encrypted <> 'destroyed')
    or (old.deleted_at is not null and new.deleted_at is null)))
  execute function refuse_inactive_company_key('head');
-- Triggers run in the order of their names: this one precedes immutable_version, so that its reason is reported.
create or replace trigger company_key_destroyed before insert or update on company_secret_versions
  for each row when (new.value_encrypted is not null) execute function refuse_inactive_company_key('version');

-- The head of a secret has a MAC under a company key. A MAC under a destroyed key cannot be verified any more, so the
-- secret would be lost. The lock serialises writes with the destruction of the key.
create or replace function refuse_head_mac() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog
as $$
declare
  state text;
begin
  select status into state from public.company_keys where company_id = new.company_id and key_version = new.mac_key_version for share;
  if state = 'destroyed' then
    raise exception 'this company key was destroyed'
      using errcode = 'integrity_constraint_violation', constraint = 'company_key_destroyed';
  end if;
  return new;
end $$;
alter function refuse_head_mac() owner to tenant_secrets_maintenance;
create or replace trigger head_mac_under_living_key before insert or update of mac_key_version, mac on company_secrets
  for each row execute function refuse_head_mac();
