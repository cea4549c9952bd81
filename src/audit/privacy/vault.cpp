#include "audit/privacy/vault.h"

#include <algorithm>
#include <future>
#include <utility>

#include "audit/privacy/vault_writer.h"

namespace tidegate::audit::privacy {
namespace {

// One transaction of the writer: large enough that a sync is shared, small enough that an erasure does not wait long.
constexpr std::size_t kBatchItemsMax = 1000;

std::uint64_t size_of(const std::optional<std::string>& part) {
    return part ? part->size() : 0;
}

store::Blob blob(const Uuid& uuid) {
    return store::Blob(uuid.bytes);
}

}  // namespace

struct Vault::Item {
    struct EraseCall {
        KeyName name;
        Erased told;
        int month = 0;
        std::promise<Result<Erased>> done;
    };
    Filing filing;
    Content content;
    std::shared_ptr<EraseCall> erase;
    std::optional<Uuid> logged;

    bool is_content() const noexcept { return !erase && !logged; }
    std::uint64_t parts() const noexcept {
        return static_cast<std::uint64_t>(content.input.has_value()) +
               static_cast<std::uint64_t>(content.output.has_value());
    }
    std::uint64_t bytes() const noexcept { return size_of(content.input) + size_of(content.output); }
};

Vault::Vault(KeyStore& keys, const Options& options, const Clock& clock, Random& random)
    : keys_(keys), options_(options), clock_(clock), random_(random) {}

Result<std::unique_ptr<Vault>> Vault::open(KeyStore& keys, const Options& options, const Clock& clock, Random& random) {
    std::unique_ptr<Vault> vault(new Vault(keys, options, clock, random));
    TG_TRY(vault->session_, VaultWriter::open(keys, options.messages_per_key_max, clock, random));
    TG_TRY(store::Database reader, keys.connect(true));
    {
        const Lock reading(vault->reading_);
        vault->reader_ = std::make_unique<store::Database>(std::move(reader));
    }
    TG_TRY(const auto left, vault->unlogged());
    {
        const Lock lock(vault->mutex_);
        vault->health_.unlogged_erasures = left.size();
    }
    vault->writer_ = std::thread([raw = vault.get()] { raw->run(); });
    return vault;
}

Vault::~Vault() {
    close();
}

void Vault::close() {
    {
        const Lock lock(mutex_);
        closing_ = true;
        wake_.notify_all();
    }
    if (writer_.joinable()) writer_.join();
}

Result<void> Vault::put(Filing filing, Content content) {
    Item item{std::move(filing), std::move(content), nullptr, std::nullopt};
    const Lock lock(mutex_);
    if (closing_) return fail(ErrorCode::kUnavailable, "the vault is closed");
    if (health_.queue_bytes + item.bytes() > options_.queue_bytes_max) {
        if (options_.when_full == WhenFull::kDrop) {
            health_.lost += item.parts();
            return {};
        }
        health_.refused += item.parts();
        return fail(ErrorCode::kUnavailable, "content cannot be kept now: its queue is full");
    }
    health_.queue_bytes += item.bytes();
    health_.queue_parts += item.parts();
    queue_.push_back(std::move(item));
    ++accepted_;
    wake_.notify_one();
    return {};
}

bool Vault::take(std::vector<Item>& batch) {
    const Lock lock(mutex_);
    while (queue_.empty() && !closing_) wake_.wait(mutex_);
    // Content up to the next erasure; an erasure, or a note, by itself.
    while (!queue_.empty() && batch.size() < kBatchItemsMax && (batch.empty() || queue_.front().is_content())) {
        const bool alone = !queue_.front().is_content();
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
        if (alone) break;
    }
    return !batch.empty();
}

void Vault::run() {
    std::vector<Item> batch;
    while (take(batch)) {
        const auto done = work(batch);
        if (done) {
            settled(batch);
            batch.clear();
        } else {
            session_->roll_back();
            give_back(std::exchange(batch, {}), done.error());
        }
    }
}

Result<void> Vault::work(std::vector<Item>& batch) {
    if (batch.front().erase) {
        // The caller hears of a failure and may ask again: it is not tried again behind its back.
        batch.front().erase->done.set_value(destroy(batch.front()));
        return {};
    }
    if (batch.front().logged) return session_->note_logged(*batch.front().logged);
    // A tenant's first key is written by another connection: before ours holds the database.
    for (const Item& item : batch) {
        if (!item.filing.subject.empty()) TG_CHECK(keys_.tenant(item.filing.tenant));
    }
    TG_CHECK(session_->begin());
    for (const Item& item : batch) TG_CHECK(session_->add(item.filing, item.content));
    step("sealed");
    TG_CHECK(session_->commit());
    step("stored");
    return {};
}

Result<Erased> Vault::destroy(const Item& item) {
    step("before_erase");
    TG_TRY(Erased erased, session_->destroy(item.erase->name, item.erase->told, item.erase->month));
    {
        const Lock lock(mutex_);
        ++health_.erasures;
        ++health_.unlogged_erasures;
    }
    step("erased");
    TG_CHECK(session_->clean());
    step("cleaned");
    return erased;
}

void Vault::step(std::string_view name) const {
    if (options_.at_step) options_.at_step(name);
}

void Vault::settled(const std::vector<Item>& batch) {
    const Lock lock(mutex_);
    for (const Item& item : batch) {
        health_.queue_bytes -= item.bytes();
        health_.queue_parts -= item.parts();
        health_.stored += item.parts();
        health_.stored_bytes += item.bytes();
        if (item.logged && health_.unlogged_erasures > 0) --health_.unlogged_erasures;
    }
    if (batch.front().is_content()) ++health_.commits;
    health_.degraded = false;
    finished_ += batch.size();
    progressed_.notify_all();
}

void Vault::give_back(std::vector<Item> batch, const Error& error) {
    const Lock lock(mutex_);
    health_.degraded = true;
    health_.reason = error.message;
    ++health_.commit_failures;
    if (closing_) {
        // The last try: what is not in now is lost, and counted.
        for (const Item& item : batch) {
            health_.lost += item.parts();
            health_.queue_bytes -= item.bytes();
            health_.queue_parts -= item.parts();
        }
        finished_ += batch.size();
        progressed_.notify_all();
        return;
    }
    // Whoever waits for an erasure is told now; it may be asked for again.
    const auto told = std::erase_if(queue_, [](Item& item) {
        if (!item.erase) return false;
        item.erase->done.set_value(
            fail(ErrorCode::kUnavailable, "the vault cannot write now, so nothing is erased yet; ask again"));
        return true;
    });
    finished_ += told;
    progressed_.notify_all();
    for (auto item = batch.rbegin(); item != batch.rend(); ++item) queue_.push_front(std::move(*item));
    wake_.wait_for(mutex_, options_.retry_interval);
}

bool Vault::wait_settled(Duration longest) {
    const Lock lock(mutex_);
    const std::uint64_t wanted = accepted_;
    while (finished_ < wanted) {
        if (!progressed_.wait_for(mutex_, longest)) return finished_ >= wanted;
    }
    return true;
}

void Vault::flush() {
    const Lock lock(mutex_);
    const std::uint64_t wanted = accepted_;
    while (finished_ < wanted) progressed_.wait(mutex_);
}

Result<ContentAnswer> Vault::read(const Uuid& record, std::string_view tenant) {
    // What was put a moment ago is found; a vault that is stuck does not hold its readers.
    wait_settled(std::chrono::seconds(1));
    const Lock reading(reading_);
    TG_TRY(store::Statement rows,
           reader_->prepare("SELECT c.part, c.sealed, c.key_id, k.sealed, k.kind, k.name, e.id FROM contents c "
                            "LEFT JOIN data_keys k ON k.id=c.key_id LEFT JOIN erased_keys e ON e.id=c.key_id "
                            "WHERE c.record=? AND c.tenant=?"));
    rows.bind(1, blob(record)).bind(2, tenant);
    ContentAnswer answer;
    const auto chars = [](store::Blob bytes) {
        return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return answer;
        if (rows.is_null(3)) {
            if (rows.is_null(6)) return fail(ErrorCode::kDataLoss, "the content's key is missing and was not erased");
            answer.state = ContentState::kErased;
            continue;
        }
        const KeyName name{std::string(tenant), static_cast<KeyName::Kind>(rows.integer(4)),
                           std::string(chars(rows.blob(5)))};
        auto bytes = privacy::open(keys_.master(), chars(rows.blob(3)), key_associated(chars(rows.blob(2)), name));
        if (!bytes || bytes->size() != Key::kBytes) {
            return fail(ErrorCode::kDataLoss, "the content's key does not open under the master key");
        }
        const Key key = Key::from(*bytes);
        wipe(*bytes);
        const auto part = static_cast<Part>(rows.integer(0));
        auto plain = privacy::open(key, chars(rows.blob(1)), content_associated(record, part, tenant));
        if (!plain) return fail(ErrorCode::kDataLoss, "the content does not open under its key");
        (part == Part::kInput ? answer.content.input : answer.content.output) = *std::move(plain);
        answer.state = ContentState::kKept;
    }
}

Result<Erased> Vault::erase(const Erasure& what, const Uuid& event) {
    TG_TRY(const TenantKeysPtr tenant, keys_.tenant(what.tenant));
    auto call = std::make_shared<Item::EraseCall>();
    call->name.tenant = what.tenant;
    call->told.event = event;
    if (!what.subject.empty()) {
        call->told.subject_hash = tenant->subject(what.subject);
        call->name.kind = KeyName::Kind::kSubject;
        call->name.name.assign(reinterpret_cast<const char*>(call->told.subject_hash.data()), sizeof(Sha256));
    } else {
        if (!is_month(what.month))
            return fail(ErrorCode::kFailedValidation, "a month is a year and a month, as 202611");
        call->month = what.month;
        call->name.name = std::to_string(what.month);
    }
    auto done = call->done.get_future();
    {
        const Lock lock(mutex_);
        if (closing_) return fail(ErrorCode::kUnavailable, "the vault is closed");
        queue_.push_back({{}, {}, std::move(call), std::nullopt});
        ++accepted_;
        wake_.notify_one();
    }
    return done.get();
}

void Vault::note_logged(const Uuid& event) {
    const Lock lock(mutex_);
    if (closing_) return;  // It is appended again at the next start, under the same id.
    queue_.push_back({{}, {}, nullptr, event});
    ++accepted_;
    wake_.notify_one();
}

Result<std::vector<UnloggedErasure>> Vault::unlogged() {
    const Lock reading(reading_);
    TG_TRY(store::Statement rows,
           reader_->prepare("SELECT event, tenant, month, subject, keys, contents, time_ms FROM erasures "
                            "WHERE logged=0 ORDER BY time_ms"));
    std::vector<UnloggedErasure> found;
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return found;
        UnloggedErasure one;
        if (rows.blob(0).size() != one.erased.event.bytes.size() || rows.blob(3).size() != sizeof(Sha256)) {
            return fail(ErrorCode::kDataLoss, "a note of an erasure is damaged");
        }
        std::ranges::copy(rows.blob(0), one.erased.event.bytes.begin());
        one.tenant = rows.text(1);
        one.month = static_cast<int>(rows.integer(2));
        std::ranges::copy(rows.blob(3), one.erased.subject_hash.begin());
        one.erased.keys_destroyed = static_cast<std::uint64_t>(rows.integer(4));
        one.erased.contents = static_cast<std::uint64_t>(rows.integer(5));
        one.erased.time = rows.integer(6);
        found.push_back(std::move(one));
    }
}

VaultHealth Vault::health() const {
    const Lock lock(mutex_);
    return health_;
}

}  // namespace tidegate::audit::privacy
