//! The statements of requests.
//!
//! Arrays carry many rows in one statement. Nothing here changes one table twice in a statement, or needs more of the
//! server than CockroachDB has, but for the turns of owners, without which things go on.
//!
//! `xps_owner.stamp` is a random number that each write of an owner replaces, and `was` the one before. A write names
//! the stamp that it was planned over; where the row has another, nothing of it happens, and it is refused.

use futures_util::future::try_join_all;
use tokio_postgres::Statement;

use super::server::Server;
use super::wire::Wire;

/// Owners who are known, and elements that they put; no deletes. One round trip, and says whom it has refused.
///
/// `not in` and `case` make the server hash what it compares with, however many there are.
const CHANGE: &str = "
with want as (
  select * from unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[]) with ordinality
    as want (owner, stamp, was, bytes, elements, at)
), ok as (
  update xps_owner o set stamp = w.stamp, was = w.was, bytes = w.bytes, elements = w.elements
  from want w where o.owner = w.owner and o.stamp = w.was
  returning o.owner
), put as (
  insert into xps_element (owner, namespace_key, name_key, namespace, name, elements, text)
  select p.* from unnest($6::text[], $7::bytea[], $8::bytea[], $9::text[], $10::text[], $11::int4[], $12::text[])
    as p (owner, namespace_key, name_key, namespace, name, elements, text)
  where case when p.owner in (select ok.owner from ok) then true else false end
  on conflict (owner, namespace_key, name_key) do update set elements = excluded.elements, text = excluded.text
)
select case when (select count(*) from ok) = cardinality($1::text[]) then array[]::int8[] else array(
    select w.at from want w
    where w.owner not in (select ok.owner from ok)
      and not exists (select 1 from xps_owner o where o.owner = w.owner and o.stamp = w.stamp)
  ) end,
  {synchronous}";

/// Owners who are new.
const BEGIN: &str = "
insert into xps_owner (owner, stamp, was, bytes, elements)
select w.owner, w.stamp, 0, w.bytes, w.elements
from unnest($1::text[], $2::int8[], $3::int8[], $4::int8[]) as w (owner, stamp, bytes, elements)
on conflict (owner) do nothing";

/// Owners who are known.
const GO_ON: &str = "
update xps_owner o set stamp = w.stamp, was = w.was, bytes = w.bytes, elements = w.elements
from unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[]) as w (owner, stamp, was, bytes, elements)
where o.owner = w.owner and o.stamp = w.was";

/// Has nobody else write these owners before the transaction ends. What it has changed it has locked; but where a write
/// arrives twice, the row may bear its stamp from the first time, and another could write between the look at that and what
/// is put because of it.
const LOCK: &str = "
select count(*) from (select 1 from xps_owner where owner = any($1::text[]) order by owner for update) as locked";

/// Elements of owners whose row bears the stamp already.
const PUT: &str = "
insert into xps_element (owner, namespace_key, name_key, namespace, name, elements, text)
select p.owner, p.namespace_key, p.name_key, p.namespace, p.name, p.elements, p.text
from unnest($1::text[], $2::int8[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::int4[], $8::text[])
  as p (owner, stamp, namespace_key, name_key, namespace, name, elements, text)
join xps_owner o on o.owner = p.owner and o.stamp = p.stamp
on conflict (owner, namespace_key, name_key) do update set elements = excluded.elements, text = excluded.text";

/// The same for elements that go.
const DELETE: &str = "
delete from xps_element e
using unnest($1::text[], $2::int8[], $3::bytea[], $4::bytea[]) as d (owner, stamp, namespace_key, name_key),
  xps_owner o
where e.owner = d.owner and e.namespace_key = d.namespace_key and e.name_key = d.name_key
  and o.owner = d.owner and o.stamp = d.stamp";

/// Notes, whatever was noted before.
const ANNOTATE: &str = "
insert into xps_note (owner, stamp, text)
select w.owner, w.stamp, w.text from unnest($1::text[], $2::int8[], $3::text[]) as w (owner, stamp, text)
on conflict (owner) do update set stamp = excluded.stamp, text = excluded.text";

/// Notes where there must be none.
const NOTE: &str = "
insert into xps_note (owner, stamp, text)
select w.owner, w.stamp, w.text from unnest($1::text[], $2::int8[], $3::text[]) as w (owner, stamp, text)
on conflict (owner) do nothing";

/// Notes that must be over others.
const RENOTE: &str = "
update xps_note n set stamp = w.stamp, text = w.text
from unnest($1::text[], $2::int8[], $3::text[], $4::text[]) as w (owner, stamp, was, text)
where n.owner = w.owner and n.text = w.was";

/// Notes that go: which did.
const FORGET: &str = "
delete from xps_note n using unnest($1::text[], $2::bool[], $3::text[]) as w (owner, is_any, was)
where n.owner = w.owner and (w.is_any or n.text = w.was)
returning n.owner";

/// Whose row does not bear the stamp that it was to get, and whose note.
const REFUSED: &str = "
select array(
    select w.at from unnest($1::text[], $2::int8[]) with ordinality as w (owner, stamp, at)
    where not exists (select 1 from xps_owner o where o.owner = w.owner and o.stamp = w.stamp)
  ), array(
    select w.at from unnest($3::text[], $4::int8[]) with ordinality as w (owner, stamp, at)
    where not exists (select 1 from xps_note n where n.owner = w.owner and n.stamp = w.stamp)
  ),
  {synchronous}";

/// What owners have: stamps and sizes as of one moment. Sizes are known without the texts. Once the names of those before
/// may come to so many bytes, the rest are found without theirs: whoever asks comes back for them.
const LOAD: &str = "
with asked as (
  select w.at, o.owner, o.stamp, coalesce(sum(o.bytes + 64 * o.elements) over (
    order by w.at rows between unbounded preceding and 1 preceding), 0) < $2::int8 as is_read
  from unnest($1::text[]) with ordinality as w (owner, at)
  join xps_owner o on o.owner = w.owner
)
select a.at, a.stamp, e.namespace, e.name, octet_length(e.text), e.elements, a.is_read
from asked a left join xps_element e on e.owner = a.owner and a.is_read";

/// The stamps of owners, and of their notes.
const STAMPS: &str = "
select w.at, o.stamp, o.was, n.stamp
from unnest($1::text[]) with ordinality as w (owner, at)
left join xps_owner o on o.owner = w.owner
left join xps_note n on n.owner = w.owner";

/// What is under names, or else in their namespaces. Once that comes to so many bytes, the rest of the queries is found
/// without texts, but never the first: whoever asks comes back for them. (`offset 0` and `case` make the server look into a
/// namespace only where there is nothing under the name.)
const FIND: &str = "
with found as (
  select a.query, a.at, n.owner is not null as is_named, coalesce(n.name, other.name) as name,
    coalesce(n.elements, other.elements) as elements, coalesce(n.text, other.text) as text
  from unnest($1::int4[], $2::int4[], $3::text[], $4::bytea[], $5::bytea[], $6::bool[])
    as a (query, at, owner, namespace_key, name_key, or_all)
  left join xps_element n
    on n.owner = a.owner and n.namespace_key = a.namespace_key and n.name_key = a.name_key
  left join lateral (
    select e.name, e.elements, e.text from xps_element e
    where case when n.owner is null then a.or_all else false end
      and e.owner = a.owner and e.namespace_key = a.namespace_key
    offset 0
  ) as other on true
), measured as (
  select found.*, sum(octet_length(text)) over (order by query rows unbounded preceding) - octet_length(text) as before
  from found where text is not null
)
select query, at, is_named, case when query = 0 or before < $7::int8 then name end, elements,
  case when query = 0 or before < $7::int8 then text end
from measured";

/// Proof that what was read before it, over the same connection, is what the database promises to keep, and that the
/// server was the primary then: a commit that the synchronous standbys have confirmed. Without such standbys there is
/// nothing to prove it by.
const PROOF: &str = "
select case when current_setting('synchronous_standby_names') <> ''
  then pg_logical_emit_message(true, 'xps', ''::text) end";

/// Where the server takes care of that by itself.
const NO_PROOF: &str = "select 1";

/// The turn of an owner. Nothing else in the database takes such locks.
const TAKE: &str = "select pg_try_advisory_lock($1::int8)";

const GIVE_BACK: &str = "select pg_advisory_unlock($1::int8)";

/// Where the server has no such locks, or keeps none.
const TAKE_NOTHING: &str = "select true where $1::int8 is not null";

/// A sign of life, and whether the server waits for standbys where it must.
const ALIVE: &str = "select {synchronous}";

const NOTED: &str = "select text from xps_note where owner = $1";

/// Those who have something.
const OWNERS: &str = "
select owner, bytes, elements from xps_owner where owner > $1 and bytes + elements > 0 order by owner limit $2";

/// The same in any order: a server reads all of a table several times as fast as by its key.
const AMOUNTS: &str = "select owner, bytes, elements from xps_owner where bytes + elements > 0";

const ALL: &str = "select namespace, name, elements, text from xps_element where owner = $1";

const AMOUNT: &str = "select bytes, elements from xps_owner where owner = $1";

const BY_NAMESPACE: &str = "
select namespace, sum(octet_length(text))::int8, sum(elements)::int8 from xps_element where owner = $1
group by namespace";

const TOTALS: &str = "
select count(*), coalesce(sum(bytes), 0)::int8, coalesce(sum(elements), 0)::int8 from xps_owner
where bytes + elements > 0";

/// Owners of whom nothing is left but their row.
const EMPTY: &str = "select owner, stamp from xps_owner where bytes + elements = 0 limit $1";

/// Removes those of whom nothing has come since.
const SWEEP: &str = "
delete from xps_owner o using unnest($1::text[], $2::int8[]) as w (owner, stamp)
where o.owner = w.owner and o.stamp = w.stamp and o.bytes + o.elements = 0";

/// One instance of all tells how much there is, and another when that one is silent for long.
const COUNTER: &str = "
insert into xps_meta (key, value)
values ('counter', $1::text || ' ' || (extract(epoch from now())::int8 + $2::int8)::text)
on conflict (key) do update set value = excluded.value
where split_part(xps_meta.value, ' ', 1) = $1::text
  or split_part(xps_meta.value, ' ', 2)::int8 < extract(epoch from now())::int8
returning key";

/// Declares the statements of a connection, and prepares them together.
macro_rules! statements {
    ($($name:ident: $text:ident,)*) => {
        /// The statements as one connection has them.
        pub(crate) struct Statements {
            $(pub(crate) $name: Statement,)*
        }

        impl Statements {
            pub(crate) async fn prepare(
                wire: &Wire,
                server: &Server,
                require_synchronous: bool,
            ) -> Result<Self, tokio_postgres::Error> {
                let texts = [$($text),*].map(|text| text_for(text, server, require_synchronous));
                let all = try_join_all(texts.iter().map(|text| wire.prepare(text))).await?;
                let mut all = all.into_iter();
                // There are as many as were asked for.
                $(let $name = all.next();)*
                match ($($name,)*) {
                    ($(Some($name),)*) => Ok(Self { $($name,)* }),
                    _ => unreachable!("one statement for each text"),
                }
            }
        }
    };
}

statements! {
    change: CHANGE,
    begin: BEGIN,
    go_on: GO_ON,
    lock: LOCK,
    put: PUT,
    delete: DELETE,
    annotate: ANNOTATE,
    note: NOTE,
    renote: RENOTE,
    forget: FORGET,
    refused: REFUSED,
    load: LOAD,
    stamps: STAMPS,
    find: FIND,
    proof: PROOF,
    noted: NOTED,
    owners: OWNERS,
    amounts: AMOUNTS,
    all: ALL,
    amount: AMOUNT,
    by_namespace: BY_NAMESPACE,
    totals: TOTALS,
    empty: EMPTY,
    sweep: SWEEP,
    counter: COUNTER,
    alive: ALIVE,
    take: TAKE,
    give_back: GIVE_BACK,
}

/// The text for this server.
fn text_for(text: &str, server: &Server, require_synchronous: bool) -> String {
    match text {
        PROOF if !server.is_postgres => return NO_PROOF.to_owned(),
        TAKE | GIVE_BACK if !server.is_postgres => return TAKE_NOTHING.to_owned(),
        _ => {}
    }
    // Looked at in the statement itself: the setting may change at any time.
    let synchronous = match require_synchronous && server.is_postgres {
        true => "current_setting('synchronous_standby_names') <> ''",
        false => "true",
    };
    text.replace("{synchronous}", synchronous)
}
