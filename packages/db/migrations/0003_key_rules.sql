grant select, insert, update, delete on processes to tenant_secrets_maintenance;
--> statement-breakpoint
grant select, insert, update on key_rotations to tenant_secrets_maintenance;
--> statement-breakpoint
grant delete on write_requests to tenant_secrets_maintenance;
--> statement-breakpoint

-- What the states of a master key can become. Everything else is refused, whoever asks.
create function refuse_master_key_change() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if tg_op = 'DELETE' then
    raise exception 'a master key stays on record' using errcode = 'integrity_constraint_violation';
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
        where o.company_id = w.company_id and o.no = w.no and o.region = w.region))
    or exists (
      select from public.audit_key_wraps w
      where w.region = new.region and w.master_key_version = new.version and not exists (
        select from public.audit_key_wraps o
        join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
        where o.purpose = w.purpose and o.no = w.no and o.region = w.region)))
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
--> statement-breakpoint
create trigger master_key_states before update or delete on master_keys
  for each row execute function refuse_master_key_change();
--> statement-breakpoint

-- A wrap is made under the active key and no other. The lock waits for whoever is changing that key's state, and
-- makes them wait: no wrap appears under a key that is on its way out. Runs as the maintenance role, because the
-- application's may not look at master keys.
create function refuse_wrap() returns trigger
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
--> statement-breakpoint
-- A key that was destroyed is not wrapped again, whoever still has it in memory.
create function refuse_company_wrap() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog
as $$
declare
  state text;
begin
  select status into state from public.company_keys where company_id = new.company_id and no = new.no for share;
  if state = 'destroyed' then
    raise exception 'this company key was destroyed' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
--> statement-breakpoint
grant create on schema public to tenant_secrets_maintenance;
--> statement-breakpoint
alter function refuse_wrap() owner to tenant_secrets_maintenance;
--> statement-breakpoint
alter function refuse_company_wrap() owner to tenant_secrets_maintenance;
--> statement-breakpoint
revoke create on schema public from tenant_secrets_maintenance;
--> statement-breakpoint
revoke execute on function refuse_wrap(), refuse_company_wrap() from public;
--> statement-breakpoint
create trigger wrap_under_active_key before insert on company_key_wraps
  for each row execute function refuse_wrap();
--> statement-breakpoint
create trigger wrap_of_living_key before insert on company_key_wraps
  for each row execute function refuse_company_wrap();
--> statement-breakpoint
create trigger wrap_under_active_key before insert on audit_key_wraps
  for each row execute function refuse_wrap();
--> statement-breakpoint

-- The last wrap of a key that is not destroyed is not deleted.
create function refuse_unwrap() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if not exists (select from public.company_keys k where k.company_id = old.company_id and k.no = old.no and k.status = 'destroyed')
    and not exists (
      select from public.company_key_wraps o
      join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
      where o.company_id = old.company_id and o.no = old.no and o.region = old.region
        and o.master_key_version <> old.master_key_version)
  then
    raise exception 'a company key has no other wrap' using errcode = 'integrity_constraint_violation';
  end if;
  return old;
end $$;
--> statement-breakpoint
create trigger last_wrap_stays before delete on company_key_wraps
  for each row execute function refuse_unwrap();
--> statement-breakpoint
create function refuse_audit_unwrap() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if not exists (
    select from public.audit_key_wraps o
    join public.master_keys m on m.region = o.region and m.version = o.master_key_version and m.status = 'active'
    where o.purpose = old.purpose and o.no = old.no and o.region = old.region and o.master_key_version <> old.master_key_version)
  then
    raise exception 'a key of the record has no other wrap' using errcode = 'integrity_constraint_violation';
  end if;
  return old;
end $$;
--> statement-breakpoint
create trigger last_wrap_stays before delete on audit_key_wraps
  for each row execute function refuse_audit_unwrap();
--> statement-breakpoint

-- What other processes have to know of, said once by each statement and company, in the transaction of the change.
-- Ids only: whoever can connect can listen.
create function notify_companies() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
declare
  company uuid;
begin
  for company in execute format('select distinct %I from changed where %1$I is not null', tg_argv[0]) loop
    perform pg_notify('tenant_secrets', tg_argv[1] || ' ' || company);
  end loop;
  return null;
end $$;
--> statement-breakpoint
create function notify_subject() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  perform pg_notify('tenant_secrets', tg_argv[0]);
  return null;
end $$;
--> statement-breakpoint
do $$
declare
  relation text;
  event text;
begin
  foreach relation in array array['companies', 'company_keys', 'company_secrets'] loop
    foreach event in array array['insert', 'update', 'delete'] loop
      execute format(
        'create trigger notify_%2$s after %2$s on %1$I referencing %3$s table as changed for each statement execute function notify_companies(%4$L, %5$L)',
        relation, event, case event when 'delete' then 'old' else 'new' end,
        case relation when 'companies' then 'id' else 'company_id' end,
        case relation when 'company_keys' then 'company-keys' else 'company' end);
    end loop;
  end loop;
  execute 'create trigger notify_change after insert or update on master_keys for each statement execute function notify_subject(''master-keys'')';
  foreach relation in array array['api_keys', 'operators'] loop
    execute format('create trigger notify_change after insert or update or delete on %I for each statement execute function notify_subject(''credentials'')', relation);
  end loop;
end $$;
