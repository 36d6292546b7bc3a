-- Every transaction that changes secrets of a company enters it with the epoch of the store that it was begun under. Taking the
-- lock and reading the epoch are two statements of a volatile function, so that the second one has a snapshot of its own: one
-- statement, or a stable function, would see the epoch from before the wait for the lock.
--
-- The holder of a hold enters all the same.
create or replace function enter_company(company uuid, epoch integer, holder uuid default null) returns text
  language plpgsql volatile
  set search_path = pg_catalog
as $$
declare
  current_epoch integer;
  elsewhere text;
begin
  -- The lock of company-lock.ts.
  perform pg_advisory_xact_lock_shared(hashtextextended('company ' || company, 0));
  -- A write that began before the company was suspended ends as one that began under another store: its writer looks again.
  -- Copies that have arrived can say that another region has become the home since.
  select c.store_epoch, h.home_region into current_epoch, elsewhere
    from public.companies c left join public.company_homes h on h.company_id = c.id and h.home_epoch > c.home_epoch
    where c.id = company and c.status = 'active';
  return case
    when elsewhere is not null then 'elsewhere ' || elsewhere
    when current_epoch is distinct from epoch then 'changed'
    when exists (select from public.store_holds h where h.company_id = company and h.until > clock_timestamp()
      and h.run is distinct from holder) then 'held'
    else 'ok'
  end;
end $$;
grant execute on function enter_company(uuid, integer, uuid) to tenant_secrets_application, tenant_secrets_maintenance;

-- A change of store that leaves the epoch as it is would admit writes that began under the old store. A home that ends raises it, too.
create or replace function refuse_unfenced_store() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if new.store_epoch <> old.store_epoch + (new.secret_store <> old.secret_store)::integer
    and not (new.home_region <> old.home_region and new.store_epoch = old.store_epoch + 1)
  then
    raise exception 'the store of a company changes together with its epoch, by one'
      using errcode = 'integrity_constraint_violation', constraint = 'companies_store_epoch';
  end if;
  return new;
end $$;
create or replace trigger fenced_store before update on companies
  for each row execute function refuse_unfenced_store();

-- A store changes while its writes are held, or for good when the company's keys are destroyed.
create or replace function refuse_unheld_store() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if new.secret_store <> old.secret_store
    and not exists (select from public.store_holds h where h.company_id = new.id and h.until > clock_timestamp())
    and not (new.secret_store = 'database' and exists (select from public.shreddings s where s.company_id = new.id))
  then
    raise exception 'the store of a company changes while its writes are held'
      using errcode = 'integrity_constraint_violation', constraint = 'companies_store_held';
  end if;
  return null;
end $$;
drop trigger if exists held_store on companies;
create constraint trigger held_store after update on companies deferrable initially deferred
  for each row when (new.secret_store is distinct from old.secret_store) execute function refuse_unheld_store();
