-- What a migration remembers in the schema. Run at the start of every migration, under its advisory lock, with
-- search_path set to the schema.
create table if not exists migrations (
    version    integer primary key,
    name       text not null,
    breaking   boolean not null,
    applied_at timestamptz not null default clock_timestamp()
);
comment on table migrations is 'The migrations this schema has seen. A library that does not know a version marked breaking refuses to work here.';
comment on column migrations.version is 'Counted from 1; the greatest is the version of the schema.';
comment on column migrations.name is 'The name of the file that made it.';
comment on column migrations.breaking is 'Libraries older than this version cannot work with the schema any more.';
comment on column migrations.applied_at is 'When it was applied.';

create table if not exists functions (
    signature text primary key
);
comment on table functions is 'The functions that the latest migration applied. The next one drops those that its version no longer has.';
comment on column functions.signature is 'Name and parameters, without the schema.';
