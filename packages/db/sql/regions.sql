-- Copies of companies in other regions. What other regions get is made here, by the transaction that changes it; what arrives from
-- others is checked here. No caller can forget either.

-- Row-level security of the copies is on and not forced: what a subscription brings is written as their owner, and PostgreSQL refuses
-- that where it is forced. No process connects as the owner.
alter table region_copies owner to tenant_secrets_copies;
alter table region_beats owner to tenant_secrets_copies;

-- Of the rows of region_copies, those for a region of company_regions were made here, and the others have arrived.

-- Brings the copies of heads to what the heads say, in all regions of the company or in one. A region gets of a secret what
-- read_secret answers with, and for lists when it was made and changed. The MAC of a head is over all of it but for these times and
-- the encrypted value, which is bound to its version; both are made by the process that wrote the head, under the company key. A
-- secret that is removed, has no current value, or whose value is destroyed, has no copy.
create or replace function copy_secrets(company uuid, wanted text[], region_only text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  insert into public.region_copies as t (target_region, company_id, kind, name, home_region, home_epoch, revision, body)
  select r.region, s.company_id, 'secret', s.secret_key, c.home_region, c.home_epoch, nextval('public.copy_revisions'),
    json_build_object('format', 1, 'encrypted', s.secret_value_encrypted, 'companyKeyVersion', s.company_key_version,
      'currentVersion', s.current_version, 'pendingVersion', s.pending_version, 'lastVersion', s.last_version, 'origin', s.origin,
      'removed', false, 'expiresAtMs', (extract(epoch from s.expires_at) * 1000)::bigint,
      'recoverUntilMs', (extract(epoch from s.recover_until) * 1000)::bigint, 'purged', s.purged_at is not null,
      'graceWindows', nullif(s.grace_windows, '[]'), 'canary', s.canary, 'macKeyVersion', s.mac_key_version,
      'mac', encode(s.mac, 'hex'), 'createdAtMs', (extract(epoch from s.created_at) * 1000)::bigint,
      'updatedAtMs', (extract(epoch from s.updated_at) * 1000)::bigint)
  from public.company_secrets s
    join public.companies c on c.id = s.company_id
    join public.company_regions r on r.company_id = s.company_id and (region_only is null or r.region = region_only)
  where s.company_id = company and (wanted is null or s.secret_key = any(wanted))
    and s.deleted_at is null and s.secret_value_encrypted <> 'destroyed' and c.status <> 'deleted'
  on conflict (target_region, company_id, kind, name) do update
    set home_region = excluded.home_region, home_epoch = excluded.home_epoch, revision = excluded.revision, body = excluded.body;
  delete from public.region_copies t using public.company_secrets s
  where t.company_id = company and t.kind = 'secret' and (wanted is null or t.name = any(wanted))
    and exists (select from public.company_regions r where r.company_id = t.company_id and r.region = t.target_region)
    and s.company_id = t.company_id and s.secret_key = t.name
    and (s.deleted_at is not null or s.secret_value_encrypted is null or s.secret_value_encrypted = 'destroyed');
end $$;
alter function copy_secrets(uuid, text[], text) owner to tenant_secrets_copies;

-- The share of the company's lock (company-lock.ts) makes one that adds or takes a region wait for this transaction, or this one for
-- it: what follows has a snapshot of its own. Writers of secrets have the lock already.
create or replace function copy_changed_secrets() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('company ' || c.company_id, 0)) from (select distinct company_id from changed) c;
  -- Company by company, so that where the tables have partitions none but those of the companies are read.
  if exists (
    select from (select distinct company_id from changed) c
    where (select r.region from public.company_regions r where r.company_id = c.company_id limit 1) is not null)
  then
    perform public.copy_secrets(c.company_id, c.secret_keys, null)
    from (select company_id, array_agg(secret_key) as secret_keys from changed group by company_id) c;
  end if;
  return null;
end $$;
alter function copy_changed_secrets() owner to tenant_secrets_copies;
create or replace trigger copy_insert after insert on company_secrets referencing new table as changed
  for each statement execute function copy_changed_secrets();
create or replace trigger copy_update after update on company_secrets referencing new table as changed
  for each statement execute function copy_changed_secrets();
create or replace function forget_copies_of_secrets() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  delete from public.region_copies t using removed r
  where t.company_id = r.company_id and t.kind = 'secret' and t.name = r.secret_key
    and exists (select from public.company_regions c where c.company_id = t.company_id and c.region = t.target_region);
  return null;
end $$;
alter function forget_copies_of_secrets() owner to tenant_secrets_copies;
create or replace trigger copy_delete after delete on company_secrets referencing old table as removed
  for each statement execute function forget_copies_of_secrets();

-- Where a company may be. Adding a region copies all secrets, taking it deletes all copies, both alone with the company.
create or replace function change_company_region() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  if tg_op = 'UPDATE' then
    if (new.company_id, new.region) <> (old.company_id, old.region) then
      raise exception 'a region of a company is added or taken, not changed' using errcode = 'integrity_constraint_violation';
    end if;
    return new;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('company ' || coalesce(new.company_id, old.company_id), 0));
  if tg_op = 'DELETE' then return old; end if;
  if exists (select from public.regions r where r.region = new.region and r.removed_at is not null)
    or exists (select from public.companies c where c.id = new.company_id and c.home_region = new.region)
  then
    raise exception 'a company is copied to a region that is in use, and is not its home'
      using errcode = 'integrity_constraint_violation', constraint = 'company_regions_region';
  end if;
  return new;
end $$;
alter function change_company_region() owner to tenant_secrets_copies;
create or replace trigger alone before insert or update or delete on company_regions
  for each row execute function change_company_region();
create or replace function copy_to_region() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  if tg_op = 'DELETE' then
    delete from public.region_copies t where t.company_id = old.company_id and t.target_region = old.region;
  else
    perform public.copy_secrets(new.company_id, null, new.region);
  end if;
  return null;
end $$;
alter function copy_to_region() owner to tenant_secrets_copies;
create or replace trigger copy_all after insert or delete on company_regions
  for each row execute function copy_to_region();
create or replace function refuse_region_with_companies() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if exists (select from public.company_regions r where r.region = new.region) then
    raise exception 'companies are still copied to this region'
      using errcode = 'integrity_constraint_violation', constraint = 'regions_in_use';
  end if;
  return new;
end $$;
create or replace trigger in_use before update on regions
  for each row when (old.removed_at is null and new.removed_at is not null) execute function refuse_region_with_companies();

-- Copies of a company and of its keys are signed, so a process makes them, in the transaction that changes company, key or regions.
-- These rules hold it to that. A suspended company is not known elsewhere, and of a destroyed key there is no copy: neither waits for
-- a signature.
create or replace function withdraw_company() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  -- Of what this region makes: what came from elsewhere is its home's to withdraw.
  delete from public.region_copies t using public.company_regions r
  where t.company_id = new.id and r.company_id = new.id and r.region = t.target_region
    and (t.kind = 'company' or new.status = 'deleted');
  return null;
end $$;
alter function withdraw_company() owner to tenant_secrets_copies;
create or replace trigger withdraw_copies after update on companies
  for each row when (new.status <> 'active') execute function withdraw_company();
create or replace function withdraw_key() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  delete from public.region_copies t where t.company_id = new.company_id and t.kind = 'key' and t.name = new.key_version::text
    and exists (select from public.company_regions r where r.company_id = t.company_id and r.region = t.target_region);
  return null;
end $$;
alter function withdraw_key() owner to tenant_secrets_copies;
create or replace trigger withdraw_copies after update on company_keys
  for each row when (new.status = 'destroyed') execute function withdraw_key();

create or replace function require_copies() returns trigger
  language plpgsql stable security definer
  set search_path = pg_catalog
as $$
declare
  company uuid := case tg_table_name when 'companies' then to_jsonb(new)->>'id' else to_jsonb(new)->>'company_id' end;
begin
  if exists (
    select from public.company_regions r
      join public.companies c on c.id = r.company_id
    where r.company_id = company and (
      c.status = 'active' and not exists (select from public.region_copies t
        where t.target_region = r.region and t.company_id = company and t.kind = 'company' and t.home_region = c.home_region
          and t.home_epoch = c.home_epoch and t.body::json->>'subdomain' = c.subdomain)
      or c.status <> 'deleted' and exists (select from public.company_keys k
        where k.company_id = company and k.status <> 'destroyed' and not exists (select from public.region_copies t
          where t.target_region = r.region and t.company_id = company and t.kind = 'key' and t.name = k.key_version::text
            and t.home_region = c.home_region and t.home_epoch = c.home_epoch))
      or exists (select from public.region_copies t where t.target_region = r.region and t.company_id = company
        and t.kind = 'secret' and (t.home_region, t.home_epoch) <> (c.home_region, c.home_epoch))))
  then
    raise exception 'the copies of company % in other regions do not say what it is now', company
      using errcode = 'integrity_constraint_violation', constraint = 'region_copies_complete';
  end if;
  return null;
end $$;
alter function require_copies() owner to tenant_secrets_copies;
drop trigger if exists complete_copies on companies;
create constraint trigger complete_copies after update on companies deferrable initially deferred
  for each row when ((new.subdomain, new.status, new.home_region, new.home_epoch)
    is distinct from (old.subdomain, old.status, old.home_region, old.home_epoch)) execute function require_copies();
drop trigger if exists complete_copies on company_keys;
create constraint trigger complete_copies after insert on company_keys deferrable initially deferred
  for each row execute function require_copies();
drop trigger if exists complete_copies on company_regions;
create constraint trigger complete_copies after insert on company_regions deferrable initially deferred
  for each row execute function require_copies();

-- No copy is made for a region that the company is not copied to. The lock makes a transaction that takes the region wait.
create or replace function refuse_foreign_copy() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('company ' || new.company_id, 0));
  if not exists (select from public.company_regions r where r.company_id = new.company_id and r.region = new.target_region) then
    raise exception 'this company is not copied to %', new.target_region
      using errcode = 'integrity_constraint_violation', constraint = 'region_copies_allowed';
  end if;
  if tg_op = 'UPDATE' then
    if new.revision <= old.revision or new.home_epoch < old.home_epoch then
      raise exception 'an older copy is not put back' using errcode = 'integrity_constraint_violation';
    end if;
  end if;
  return new;
end $$;
alter function refuse_foreign_copy() owner to tenant_secrets_copies;
create or replace trigger allowed_region before insert or update on region_copies
  for each row when (new.kind <> 'secret') execute function refuse_foreign_copy();

-- A new home, or a new epoch of it, is in all copies.
create or replace function copy_with_home() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  perform public.copy_secrets(new.id, null, null);
  return null;
end $$;
alter function copy_with_home() owner to tenant_secrets_copies;
create or replace trigger copy_home after update on companies
  for each row when ((new.home_region, new.home_epoch) is distinct from (old.home_region, old.home_epoch))
  execute function copy_with_home();
create or replace function refuse_earlier_home() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  raise exception 'the home of a company changes together with its epoch, which is raised by one'
    using errcode = 'integrity_constraint_violation', constraint = 'companies_home_epoch';
end $$;
create or replace trigger fenced_home before update on companies
  for each row when (new.home_epoch not between old.home_epoch and old.home_epoch + 1
    or new.home_region <> old.home_region and new.home_epoch = old.home_epoch) execute function refuse_earlier_home();

-- The fence. What a subscription brings is applied as rows alone, with the triggers that are enabled for that. Its name is
-- copies_from_<home>_to_<region>, and regions are named without underscores. A refused row is skipped and noted: an error would stop the
-- rows of all companies that come behind it. A row that is here already is brought to the newer state, so that a first copy can
-- be repeated.
create or replace function fence_copy() returns trigger
  language plpgsql volatile security invoker
  set search_path = pg_catalog
as $$
declare
  copy public.region_copies := case tg_op when 'DELETE' then old else new end;
  via text := current_setting('tenant_secrets.subscription', true);
  home public.company_homes;
  present public.region_copies;
  refused text;
begin
  if via is null or via = '' then
    select w.subname::text into via from pg_stat_subscription w where w.pid = pg_backend_pid();
    if via is null then
      raise exception 'copies of this region come by a subscription' using errcode = 'insufficient_privilege';
    end if;
    perform set_config('tenant_secrets.subscription', via, false);
  end if;
  select * into home from public.company_homes h where h.company_id = copy.company_id;
  if via <> format('copies_from_%s_to_%s', copy.home_region, copy.target_region) then
    refused := 'place';
  -- Each home deletes what it brought, also when another region has become the home: those rows are not read any more.
  elsif tg_op <> 'DELETE' then
    if tg_op = 'INSERT' then
      select * into present from public.region_copies t
      where (t.target_region, t.company_id, t.kind, t.name) = (new.target_region, new.company_id, new.kind, new.name);
    else
      present := old;
    end if;
    refused := case
      when new.home_epoch < home.home_epoch then 'epoch'
      when new.home_epoch = home.home_epoch and new.home_region <> home.home_region then 'home'
      -- Each home counts by itself.
      when new.home_epoch = present.home_epoch and new.revision < present.revision then 'revision'
    end;
  end if;
  if refused is not null then
    insert into public.region_refusals as r (company_id, kind, name, subscription, operation, reason, home_epoch, revision)
    values (copy.company_id, copy.kind, copy.name, via, tg_op, refused, copy.home_epoch, copy.revision)
    on conflict (company_id, kind, name, subscription) do update
      set operation = excluded.operation, reason = excluded.reason, home_epoch = excluded.home_epoch, revision = excluded.revision,
        count = r.count + 1, last_at = clock_timestamp();
    return null;
  end if;
  if tg_op = 'DELETE' then
    if old.kind = 'company' then
      update public.company_homes h set withdrawn_at = clock_timestamp() where h.company_id = old.company_id;
    end if;
    return old;
  end if;
  if home.home_epoch is null or new.home_epoch > home.home_epoch then
    insert into public.company_homes as h (company_id, home_region, home_epoch) values (new.company_id, new.home_region, new.home_epoch)
    on conflict (company_id) do update
      set home_region = excluded.home_region, home_epoch = excluded.home_epoch, since = clock_timestamp()
      where h.home_epoch < excluded.home_epoch;
  end if;
  if new.kind = 'company' then
    update public.company_homes h set withdrawn_at = null where h.company_id = new.company_id and h.withdrawn_at is not null;
  end if;
  if present.company_id is not null and tg_op = 'INSERT' then
    update public.region_copies t
    set home_region = new.home_region, home_epoch = new.home_epoch, revision = new.revision, body = new.body, signature = new.signature
    where (t.target_region, t.company_id, t.kind, t.name) = (new.target_region, new.company_id, new.kind, new.name);
    return null;
  end if;
  return new;
end $$;
create or replace trigger fence before insert or update or delete on region_copies
  for each row execute function fence_copy();
alter table region_copies enable replica trigger fence;

-- Caches hear of what arrived as they hear of what was written here. Statement triggers are not fired for it.
create or replace function notify_of_copy() returns trigger
  language plpgsql security invoker
  set search_path = pg_catalog
as $$
declare
  copy public.region_copies := case tg_op when 'DELETE' then old else new end;
begin
  perform pg_notify('tenant_secrets', case copy.kind when 'secret' then 'company-secrets ' when 'key' then 'company-keys '
    else 'company ' end || copy.company_id);
  return null;
end $$;
create or replace trigger notify_copy after insert or update or delete on region_copies
  for each row execute function notify_of_copy();
alter table region_copies enable replica trigger notify_copy;

-- Says to all regions that this home is there, and how late it is.
create or replace function beat_regions(home text) returns void
  language sql volatile security definer
  set search_path = pg_catalog
as $$
  insert into public.region_beats (target_region, home_region, beat_at)
  select r.region, home, clock_timestamp() from public.regions r where r.removed_at is null
  on conflict (target_region, home_region) do update set beat_at = excluded.beat_at
$$;
alter function beat_regions(text) owner to tenant_secrets_copies;
grant execute on function beat_regions(text) to tenant_secrets_maintenance;

-- A company that is at home here is never deleted, nor is one that was: its history is here.
create or replace function keep_company() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if exists (select from public.company_homes h where h.company_id = old.id)
    and not exists (select from public.company_keys k where k.company_id = old.id)
    and not exists (select from public.company_regions r where r.company_id = old.id)
    and not exists (select from public.region_copies t where t.company_id = old.id)
  then
    return old;
  end if;
  raise exception 'a company is deleted where it was copied to, and with its last copy'
    using errcode = 'integrity_constraint_violation', constraint = 'companies_kept';
end $$;
create or replace trigger keep_company before delete on companies
  for each row execute function keep_company();
