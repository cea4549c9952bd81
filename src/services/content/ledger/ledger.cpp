#include "services/content/ledger/ledger.h"

#include <algorithm>

namespace tidegate::content {

Result<std::unique_ptr<Ledger>> Ledger::open(const std::string& path, const Clock& clock, Random& random) {
    std::unique_ptr<Ledger> ledger(new Ledger(path, clock, random));
    TG_TRY(ledger->books_, Books::open(path, clock, random));
    ledger->writer_ = std::thread([self = ledger.get()] { self->run(); });
    return ledger;
}

Ledger::~Ledger() {
    stop();
}

void Ledger::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (writer_.joinable()) writer_.join();
}

std::size_t Ledger::waiting() const {
    const Lock lock(mutex_);
    return queue_.size();
}

void Ledger::submit(Change change) {
    {
        const Lock lock(mutex_);
        if (!stopping_ && queue_.size() < kQueueMax) {
            queue_.push_back(std::move(change));
            wake_.notify_one();
            return;
        }
    }
    refused_.fetch_add(1);
    change.done(fail(ErrorCode::kUnavailable, "As many changes wait for the ledger as it takes."));
}

Result<LedgerAnswer> Ledger::make_once(Change& change) {
    if (change.key.empty()) return change.work(*books_);
    store::Database& database = books_->database();
    TG_TRY(store::Statement known,
           database.prepare("SELECT digest, status, body FROM answers WHERE tenant = ? AND actor = ? AND key = ?"));
    known.bind(1, std::string_view(change.actor.tenant)).bind(2, std::string_view(change.actor.name));
    TG_TRY(const bool found, known.bind(3, std::string_view(change.key)).step());
    if (found) {
        if (!std::ranges::equal(known.blob(0), change.digest)) {
            return fail(ErrorCode::kConflict, "This Idempotency-Key was used for another request.");
        }
        if (known.integer(1) == 404) return fail(ErrorCode::kNotFound, "What this key was answered with was removed.");
        repeats_.fetch_add(1);
        return LedgerAnswer{static_cast<int>(known.integer(1)), std::string(known.text(2)), true};
    }
    known.reset();
    TG_TRY(LedgerAnswer answer, change.work(*books_));
    TG_TRY(
        store::Statement keep,
        database.prepare(
            "INSERT INTO answers (tenant, actor, key, digest, status, body, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?)"));
    keep.bind(1, std::string_view(change.actor.tenant)).bind(2, std::string_view(change.actor.name));
    keep.bind(3, std::string_view(change.key)).bind(4, store::Blob(change.digest));
    keep.bind(5, std::int64_t{answer.status}).bind(6, std::string_view(answer.body));
    TG_CHECK(keep.bind(7, clock_.unix_ms()).run());
    return answer;
}

Result<LedgerAnswer> Ledger::make(Change& change) {
    store::Database& database = books_->database();
    // A disk that is full ends the transaction of its own accord; a savepoint would begin another.
    if (!database.in_transaction()) return fail(ErrorCode::kUnavailable, "The ledger's disk takes nothing.");
    TG_CHECK(database.execute("SAVEPOINT change"));
    auto answer = make_once(change);
    TG_CHECK(database.execute(answer ? "RELEASE change" : "ROLLBACK TO change; RELEASE change"));
    return answer;
}

void Ledger::commit_batch(std::vector<Change>& batch) {
    std::vector<Result<LedgerAnswer>> answers;
    const auto write = [&]() -> Result<void> {
        TG_TRY(store::Transaction transaction, store::Transaction::begin(books_->database()));
        TG_TRY(store::Statement old, books_->database().prepare("DELETE FROM answers WHERE created_ms < ?"));
        TG_CHECK(
            old.bind(1, clock_.unix_ms() - std::chrono::duration_cast<std::chrono::milliseconds>(kAnswerKept).count())
                .run());
        for (Change& change : batch) answers.push_back(make(change));
        return transaction.commit();
    };
    const auto written = write();
    if (written) {
        commits_.fetch_add(1);
        changes_.fetch_add(static_cast<std::uint64_t>(
            std::ranges::count_if(answers, [](const Result<LedgerAnswer>& one) { return one && !one->repeated; })));
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
        // What the disk did not take was not done, whatever its own answer was.
        if (written) {
            batch[i].done(std::move(answers[i]));
        } else {
            batch[i].done(std::unexpected(written.error()));
        }
    }
}

void Ledger::run() {
    for (;;) {
        std::vector<Change> batch;
        {
            const Lock lock(mutex_);
            while (queue_.empty() && !stopping_) wake_.wait(mutex_);
            if (queue_.empty()) return;
            while (!queue_.empty() && batch.size() < kBatchMax) {
                batch.push_back(std::move(queue_.front()));
                queue_.pop_front();
            }
        }
        commit_batch(batch);
    }
}

Result<std::unique_ptr<Books>> Ledger::borrow() {
    {
        const Lock lock(readers_mutex_);
        if (!readers_.empty()) {
            auto books = std::move(readers_.back());
            readers_.pop_back();
            return books;
        }
    }
    return Books::open(path_, clock_, random_);
}

Result<void> Ledger::read(const std::function<Result<void>(Books& books)>& look) {
    TG_TRY(auto books, borrow());
    const auto done = look(*books);
    const Lock lock(readers_mutex_);
    readers_.push_back(std::move(books));
    return done;
}

}  // namespace tidegate::content
