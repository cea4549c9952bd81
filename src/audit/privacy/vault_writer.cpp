#include "audit/privacy/vault_writer.h"

#include <fmt/format.h>

#include <chrono>
#include <span>
#include <utility>

#include "audit/privacy/blob_text.h"

namespace tidegate::audit::privacy {
namespace {

store::Blob blob(std::string_view bytes) {
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}
std::string_view chars(const Uuid& uuid) {
    return {reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()};
}

// A reader may hold the write-ahead log for the length of one look-up.
constexpr int kCleanTries = 20;

}  // namespace

int month_of(UnixMillis time) noexcept {
    const std::chrono::sys_time<std::chrono::milliseconds> at{std::chrono::milliseconds(time)};
    const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(at));
    return static_cast<int>(day.year()) * 100 + static_cast<int>(static_cast<unsigned>(day.month()));
}

bool is_month(int month) noexcept {
    return month >= 197001 && month <= 999912 && month % 100 >= 1 && month % 100 <= 12;
}

std::string key_associated(std::string_view id, const KeyName& name) {
    return fmt::format("tidegate data key 1:{}{}{}:{}", id, static_cast<int>(name.kind), name.name, name.tenant);
}

std::string content_associated(const Uuid& record, Part part, std::string_view tenant) {
    return fmt::format("tidegate content 1:{}{}{}", chars(record), static_cast<int>(part), tenant);
}

VaultWriter::VaultWriter(KeyStore& keys, store::Database database, std::uint64_t messages_per_key_max,
                         const Clock& clock, Random& random)
    : keys_(keys),
      database_(std::move(database)),
      messages_per_key_max_(messages_per_key_max),
      clock_(clock),
      random_(random) {}

Result<std::unique_ptr<VaultWriter>> VaultWriter::open(KeyStore& keys, std::uint64_t messages_per_key_max,
                                                       const Clock& clock, Random& random) {
    TG_TRY(store::Database database, keys.connect(false));
    std::unique_ptr<VaultWriter> writer(
        new VaultWriter(keys, std::move(database), messages_per_key_max, clock, random));
    TG_CHECK(writer->prepare());
    // What an erasure that was cut short has left there.
    TG_CHECK(writer->clean());
    return writer;
}

Result<void> VaultWriter::prepare() {
    TG_TRY(find_key_,
           database_.prepare("SELECT id, sealed, generation, messages FROM data_keys WHERE tenant=? AND kind=? AND "
                             "name=? ORDER BY generation DESC LIMIT 1"));
    TG_TRY(insert_key_, database_.prepare("INSERT INTO data_keys VALUES(?,?,?,?,?,?,0,?)"));
    TG_TRY(count_key_, database_.prepare("UPDATE data_keys SET messages=messages+? WHERE id=?"));
    // A commit that failed may have happened all the same: the second time finds the row.
    TG_TRY(insert_content_, database_.prepare("INSERT INTO contents VALUES(?,?,?,?,?) ON CONFLICT DO NOTHING"));
    return {};
}

Result<void> VaultWriter::begin() {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    transaction_ = std::make_unique<store::Transaction>(std::move(transaction));
    return {};
}

Result<void> VaultWriter::add(const Filing& filing, const Content& content) {
    KeyName name{filing.tenant, KeyName::Kind::kMonth, std::to_string(month_of(unix_ms_of(filing.record)))};
    if (!filing.subject.empty()) {
        TG_TRY(const TenantKeysPtr tenant, keys_.tenant(filing.tenant));
        const Sha256 subject = tenant->subject(filing.subject);
        name.kind = KeyName::Kind::kSubject;
        name.name = std::string(chars(store::Blob(subject)));
    }
    const std::pair<Part, const std::optional<std::string>*> parts[]{{Part::kInput, &content.input},
                                                                     {Part::kOutput, &content.output}};
    for (const auto& [part, bytes] : parts) {
        if (!*bytes) continue;
        TG_TRY(DataKey* const key, key_for(name));
        TG_CHECK(add_part(filing, part, **bytes, *key));
    }
    return {};
}

Result<VaultWriter::DataKey*> VaultWriter::key_for(const KeyName& name) {
    const auto has_room = [this](const DataKey& key) { return key.messages + key.added < messages_per_key_max_; };
    const auto known = keys_in_use_.find(name);
    if (known != keys_in_use_.end() && has_room(known->second)) return &known->second;
    std::int64_t generation = 1;
    if (known != keys_in_use_.end()) {
        generation = known->second.generation + 1;
        count_key_.bind(1, static_cast<std::int64_t>(known->second.added)).bind(2, blob(known->second.id));
        TG_CHECK(count_key_.run());
        keys_in_use_.erase(known);
    } else {
        find_key_.bind(1, std::string_view(name.tenant))
            .bind(2, static_cast<std::int64_t>(name.kind))
            .bind(3, blob(name.name));
        auto row = find_key_.step();
        if (!row) {
            find_key_.reset();
            return std::unexpected(std::move(row).error());
        }
        if (*row) {
            const std::string id(chars(find_key_.blob(0)));
            auto bytes = privacy::open(keys_.master(), chars(find_key_.blob(1)), key_associated(id, name));
            const std::int64_t found = find_key_.integer(2);
            const auto messages = static_cast<std::uint64_t>(find_key_.integer(3));
            find_key_.reset();
            if (!bytes || bytes->size() != Key::kBytes) {
                return fail(ErrorCode::kDataLoss,
                            "a content key does not open under the master key: privacy.db is damaged");
            }
            DataKey key{id, Key::from(*bytes), found, messages, 0};
            wipe(*bytes);
            if (has_room(key)) return &keys_in_use_.emplace(name, std::move(key)).first->second;
            generation = found + 1;
        }
        find_key_.reset();
    }
    TG_TRY(DataKey made, make_key(name, generation));
    return &keys_in_use_.emplace(name, std::move(made)).first->second;
}

Result<VaultWriter::DataKey> VaultWriter::make_key(const KeyName& name, std::int64_t generation) {
    Uuid id;
    random_.fill(std::as_writable_bytes(std::span(id.bytes)));
    DataKey key{std::string(chars(id)), Key::random(random_), generation, 0, 0};
    const std::string sealed = seal(keys_.master(), key.key.chars(), key_associated(key.id, name), random_);
    insert_key_.bind(1, blob(key.id))
        .bind(2, std::string_view(name.tenant))
        .bind(3, static_cast<std::int64_t>(name.kind));
    insert_key_.bind(4, blob(name.name)).bind(5, generation).bind(6, blob(sealed)).bind(7, clock_.unix_ms());
    TG_CHECK(insert_key_.run());
    return key;
}

Result<void> VaultWriter::add_part(const Filing& filing, Part part, std::string_view content, DataKey& key) {
    const std::string sealed = seal(key.key, content, content_associated(filing.record, part, filing.tenant), random_);
    ++key.added;
    insert_content_.bind(1, store::Blob(filing.record.bytes)).bind(2, static_cast<std::int64_t>(part));
    insert_content_.bind(3, std::string_view(filing.tenant)).bind(4, blob(key.id)).bind(5, blob(sealed));
    return insert_content_.run();
}

Result<void> VaultWriter::commit() {
    for (const auto& [name, key] : keys_in_use_) {
        count_key_.bind(1, static_cast<std::int64_t>(key.added)).bind(2, blob(key.id));
        TG_CHECK(count_key_.run());
    }
    TG_CHECK(transaction_->commit());
    transaction_.reset();
    keys_in_use_.clear();
    return {};
}

void VaultWriter::roll_back() {
    for (store::Statement* statement : {&find_key_, &insert_key_, &count_key_, &insert_content_}) statement->reset();
    transaction_.reset();
    keys_in_use_.clear();
}

Result<Erased> VaultWriter::destroy(const KeyName& name, const Erased& told, int month) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    Erased erased = told;
    erased.time = clock_.unix_ms();
    const auto run = [&](std::string_view sql, bool with_event) -> Result<std::int64_t> {
        TG_TRY(store::Statement statement, database_.prepare(sql));
        const int at = with_event ? 1 : 0;
        if (with_event) statement.bind(1, store::Blob(told.event.bytes));
        statement.bind(at + 1, std::string_view(name.tenant)).bind(at + 2, static_cast<std::int64_t>(name.kind));
        statement.bind(at + 3, blob(name.name));
        TG_CHECK(statement.run());
        return database_.changes();
    };
    {
        TG_TRY(store::Statement sum,
               database_.prepare("SELECT coalesce(sum(messages),0) FROM data_keys WHERE tenant=? AND "
                                 "kind=? AND name=?"));
        sum.bind(1, std::string_view(name.tenant))
            .bind(2, static_cast<std::int64_t>(name.kind))
            .bind(3, blob(name.name));
        TG_CHECK(sum.step());
        erased.contents = static_cast<std::uint64_t>(sum.integer(0));
    }
    TG_CHECK(run("INSERT INTO erased_keys SELECT id, ? FROM data_keys WHERE tenant=? AND kind=? AND name=?", true));
    // Overwritten where it lies, then deleted: secure_delete makes zeroes of the row too.
    TG_CHECK(run("UPDATE data_keys SET sealed=zeroblob(length(sealed)) WHERE tenant=? AND kind=? AND name=?", false));
    TG_TRY(const std::int64_t keys, run("DELETE FROM data_keys WHERE tenant=? AND kind=? AND name=?", false));
    erased.keys_destroyed = static_cast<std::uint64_t>(keys);
    TG_TRY(store::Statement note, database_.prepare("INSERT INTO erasures VALUES(?,?,?,?,?,?,?,0)"));
    note.bind(1, store::Blob(told.event.bytes)).bind(2, std::string_view(name.tenant)).bind(3, std::int64_t{month});
    note.bind(4, store::Blob(told.subject_hash)).bind(5, keys).bind(6, static_cast<std::int64_t>(erased.contents));
    note.bind(7, erased.time);
    TG_CHECK(note.run());
    TG_CHECK(transaction.commit());
    return erased;
}

Result<void> VaultWriter::clean() {
    Result<void> cleaned;
    for (int i = 0; i < kCleanTries; ++i) {
        cleaned = database_.checkpoint();
        if (cleaned) break;
    }
    return cleaned;
}

Result<void> VaultWriter::note_logged(const Uuid& event) {
    TG_TRY(store::Statement note, database_.prepare("UPDATE erasures SET logged=1 WHERE event=?"));
    note.bind(1, store::Blob(event.bytes));
    return note.run();
}

}  // namespace tidegate::audit::privacy
