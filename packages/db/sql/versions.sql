-- Versions are immutable for every role, except for the columns that destruction and re-encryption change.
create or replace function refuse_version_change() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if (new.company_id, new.secret_key, new.version, new.id, new.previous_version_id, new.note, new.actor_kind,
      new.actor_id, new.created_at)
    is distinct from
     (old.company_id, old.secret_key, old.version, old.id, old.previous_version_id, old.note, old.actor_kind,
      old.actor_id, old.created_at)
  then
    raise exception 'a version of a secret is immutable' using errcode = 'integrity_constraint_violation';
  end if;
  if old.destroyed_at is not null and (new.destroyed_at is null or new.value_encrypted is not null) then
    raise exception 'a destroyed version stays destroyed' using errcode = 'integrity_constraint_violation';
  end if;
  if old.replaced_at is not null and new.replaced_at is distinct from old.replaced_at then
    raise exception 'a version is replaced once' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
create or replace trigger immutable_version before update on company_secret_versions
  for each row execute function refuse_version_change();

-- Version numbers only increase, and a head is never reused for another secret.
create or replace function refuse_version_reuse() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if (new.company_id, new.secret_key, new.id, new.created_at)
      is distinct from (old.company_id, old.secret_key, old.id, old.created_at)
    or new.last_version not between old.last_version and old.last_version + 1
  then
    raise exception 'the head of a secret keeps its name, and its versions are gapless' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
create or replace trigger gapless_versions before update on company_secrets
  for each row execute function refuse_version_reuse();
