CREATE TABLE "shreddings" (
	"company_id" uuid NOT NULL,
	"receipt" text NOT NULL,
	"signature" text NOT NULL,
	"shredded_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "shreddings_pkey" PRIMARY KEY("company_id")
);
--> statement-breakpoint
ALTER TABLE "shreddings" ADD CONSTRAINT "shreddings_company_fkey" FOREIGN KEY ("company_id") REFERENCES "public"."companies"("id") ON DELETE restrict ON UPDATE no action;
--> statement-breakpoint

alter table shreddings enable row level security;
--> statement-breakpoint
alter table shreddings force row level security;
--> statement-breakpoint
create policy company on shreddings to tenant_secrets_application
  using (company_id = (select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid))
  with check (company_id = (select nullif(current_setting('tenant_secrets.company_id', true), '')::uuid));
--> statement-breakpoint
create policy maintenance on shreddings to tenant_secrets_maintenance using (true) with check (true);
--> statement-breakpoint
grant select, insert, update on shreddings to tenant_secrets_maintenance;
--> statement-breakpoint

-- A destroyed key stays destroyed, and a company that was shredded gets no other. The lock waits for a shredding that is
-- under way before the row is made, so that the two never wait for each other.
create function refuse_company_key() returns trigger
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
--> statement-breakpoint

-- Nothing is sealed under a destroyed key, whoever still has it in memory, and what was is not brought back. The lock
-- waits for whoever is destroying the key.
create function refuse_sealing() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog
as $$
declare
  state text;
begin
  select status into state from public.company_keys
  where company_id = new.company_id and no = new.company_key_no for share;
  if state = 'destroyed' then
    raise exception 'this company key was destroyed'
      using errcode = 'integrity_constraint_violation', constraint = 'company_key_destroyed';
  end if;
  return new;
end $$;
--> statement-breakpoint
grant create on schema public to tenant_secrets_maintenance;
--> statement-breakpoint
alter function refuse_company_key() owner to tenant_secrets_maintenance;
--> statement-breakpoint
alter function refuse_sealing() owner to tenant_secrets_maintenance;
--> statement-breakpoint
revoke create on schema public from tenant_secrets_maintenance;
--> statement-breakpoint
revoke execute on function refuse_company_key(), refuse_sealing() from public;
--> statement-breakpoint
create trigger company_key_destroyed before insert or update on company_keys
  for each row execute function refuse_company_key();
--> statement-breakpoint
-- 'destroyed' is what shredding leaves in the place of a sealed value (shredding.ts).
create trigger company_key_destroyed before insert on company_secrets
  for each row when (new.secret_value_encrypted is not null) execute function refuse_sealing();
--> statement-breakpoint
create trigger company_key_destroyed_update before update on company_secrets
  for each row when (new.secret_value_encrypted is not null and (
    (new.secret_value_encrypted is distinct from old.secret_value_encrypted and new.secret_value_encrypted <> 'destroyed')
    or (old.deleted_at is not null and new.deleted_at is null)))
  execute function refuse_sealing();
--> statement-breakpoint
-- Its name comes before immutable_version's, so that this reason is the one that is said.
create trigger company_key_destroyed before insert or update on company_secret_versions
  for each row when (new.sealed is not null) execute function refuse_sealing();
