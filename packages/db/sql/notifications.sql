-- Invalidations for other processes: one per statement and company, in the transaction of the change.
-- They contain ids only, because every role that can connect can listen.
create or replace function notify_companies() returns trigger
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
-- A company's row and its secrets have separate notifications: secrets change often, the row hardly ever.
do $$
declare
  subject record;
  event text;
begin
  for subject in select * from (values ('companies', 'id', 'company'), ('company_keys', 'company_id', 'company-keys'),
    ('company_secrets', 'company_id', 'company-secrets')) as s(relation, company_column, topic)
  loop
    foreach event in array array['insert', 'update', 'delete'] loop
      execute format(
        'create or replace trigger notify_%2$s after %2$s on %1$I referencing %3$s table as changed for each statement execute function notify_companies(%4$L, %5$L)',
        subject.relation, event, case event when 'delete' then 'old' else 'new' end, subject.company_column, subject.topic);
    end loop;
  end loop;
end $$;

-- Pending and previous values can change without the head, and are cached for the verification of webhooks. The result of a
-- credential check is not cached, so a change of it sends nothing.
create or replace function notify_of_version() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  perform pg_notify('tenant_secrets', 'company-secrets ' || old.company_id);
  return null;
end $$;
create or replace trigger notify_update after update on company_secret_versions
  for each row when (old.value_encrypted is distinct from new.value_encrypted) execute function notify_of_version();
create or replace trigger notify_delete after delete on company_secret_versions
  for each row execute function notify_of_version();

create or replace function notify_subject() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  perform pg_notify('tenant_secrets', tg_argv[0]);
  return null;
end $$;
create or replace trigger notify_change after insert or update on master_keys
  for each statement execute function notify_subject('master-keys');
-- Writers of the audit log look up its active key again. The notification has the same kind as that of a master key.
create or replace trigger notify_change after insert or update on audit_keys
  for each statement execute function notify_subject('master-keys');
create or replace trigger notify_change after insert or update on regions
  for each statement execute function notify_subject('regions');
create or replace trigger notify_change after insert or update or delete on operators
  for each statement execute function notify_subject('credentials');
create or replace trigger notify_change after insert or update or delete on users
  for each statement execute function notify_subject('credentials');
create or replace trigger notify_change after insert or update or delete on memberships
  for each statement execute function notify_subject('credentials');
-- A change of `last_used_at` sends nothing: it invalidates no cache, and happens once a minute for each key.
create or replace trigger notify_change after insert or delete
  or update of company_id, prefix, hash, verbs, key_patterns, addresses, expires_at, revoked_at on api_keys
  for each statement execute function notify_subject('credentials');

-- What lists of a company show. A change of a row's MAC or of `last_used_at` sends nothing: no list shows it at once.
create or replace function notify_of_member() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  perform pg_notify('tenant_secrets', 'company-members ' || coalesce(new.company_id, old.company_id));
  return null;
end $$;
create or replace trigger notify_list after insert or delete or update of role, name on memberships
  for each row execute function notify_of_member();
create or replace trigger notify_list after insert or delete
  or update of role, expires_at, accepted_at, revoked_at, mailed_at on invitations
  for each row execute function notify_of_member();

-- A platform key is in the list of every company that it may enter.
create or replace function notify_of_api_key() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
declare
  company uuid;
begin
  for company in select new.company_id where new.company_id is not null
    union select l.company_id from public.api_key_companies l where l.api_key_id = new.id
  loop
    perform pg_notify('tenant_secrets', 'company-api-keys ' || company);
  end loop;
  return null;
end $$;
create or replace trigger notify_list after insert or update of expires_at, revoked_at on api_keys
  for each row execute function notify_of_api_key();
create or replace function notify_of_api_key_company() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  perform pg_notify('tenant_secrets', 'company-api-keys ' || new.company_id);
  return null;
end $$;
create or replace trigger notify_list after insert on api_key_companies
  for each row execute function notify_of_api_key_company();
