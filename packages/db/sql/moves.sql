-- A company's move to another region. What only its home has is there, and nowhere else.

-- The region that takes a company over fences all earlier homes, itself by the epoch that the company's row has then.
create or replace function claim_home(company uuid) returns void
  language sql volatile security definer
  set search_path = pg_catalog
as $$
  insert into public.company_homes as h (company_id, home_region, home_epoch)
  select c.id, c.home_region, c.home_epoch from public.companies c where c.id = company
  on conflict (company_id) do update
    set home_region = excluded.home_region, home_epoch = excluded.home_epoch, since = clock_timestamp()
    where h.home_epoch < excluded.home_epoch
$$;

-- Deletes all that only a home has, once another region says that it is the home by a later epoch. The keys are destroyed
-- first: a key that is not has a wrap.
create or replace function leave_home(company uuid) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
declare
  latest integer;
begin
  if not exists (select from public.companies c join public.company_homes h on h.company_id = c.id
    where c.id = company and h.home_region <> c.home_region and h.home_epoch > c.home_epoch)
  then
    raise exception 'no other region is the home of company %', company
      using errcode = 'integrity_constraint_violation', constraint = 'companies_home_epoch';
  end if;
  delete from public.rotation_policies where company_id = company;
  delete from public.rotation_credentials where company_id = company;
  delete from public.secret_uses where company_id = company;
  delete from public.write_requests where company_id = company;
  -- A version refers to the one before it.
  for latest in select distinct version from public.company_secret_versions where company_id = company order by version desc loop
    delete from public.company_secret_versions where company_id = company and version = latest;
  end loop;
  delete from public.company_secrets where company_id = company;
  update public.company_keys set status = 'destroyed', destroyed_at = coalesce(destroyed_at, now())
    where company_id = company and status <> 'destroyed';
  delete from public.company_key_wraps where company_id = company;
  delete from public.company_keys where company_id = company;
  delete from public.store_holds where company_id = company;
end $$;

-- An offer of a move that was not taken in time.
create or replace function withdraw_move(company uuid) returns void
  language sql volatile security definer
  set search_path = pg_catalog
as $$
  delete from public.region_copies t using public.companies c
  where c.id = company and t.company_id = c.id and t.kind = 'move' and t.home_region = c.home_region
$$;
alter function claim_home(uuid) owner to tenant_secrets_copies;
alter function leave_home(uuid) owner to tenant_secrets_mover;
alter function withdraw_move(uuid) owner to tenant_secrets_copies;
grant execute on function claim_home(uuid), leave_home(uuid), withdraw_move(uuid) to tenant_secrets_maintenance;

-- An offer that has arrived is taken over by a job. Its home has signed it, which the job checks.
create or replace function enqueue_take_over() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  perform graphile_worker.add_job('take-over', '{}'::json, job_key => 'take-over:', job_key_mode => 'preserve_run_at');
  return null;
end $$;
alter function enqueue_take_over() owner to tenant_secrets_maintenance;
create or replace trigger enqueue_take_over after insert or update on region_copies
  for each row when (new.kind = 'move' and new.name = '1') execute function enqueue_take_over();
alter table region_copies enable replica trigger enqueue_take_over;
