#include "services/content/ledger/ledger.h"

#include <algorithm>

#include "services/content/database/postgres_session.h"

namespace tidegate::content {
namespace {

/// Why a change was not written, to who asked for it.
Error told_of(const Error& error, bool has_key) {
    if (!is_uncertain_commit(error)) return error;
    return {error.code, error.message + (has_key ? ": send it again under its Idempotency-Key, it is done once."
                                                 : ": it has no Idempotency-Key, so look before you send it again.")};
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(std::unique_ptr<BookHome> home, const Clock& clock, Random& random) {
    std::unique_ptr<Ledger> ledger(new Ledger(std::move(home), clock, random));
    TG_TRY(ledger->books_, Books::open(*ledger->home_, clock, random));
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
    BookStore& store = books_->store();
    TG_TRY(const auto known,
           store.prepare("SELECT digest, status, body FROM answers WHERE tenant = ? AND actor = ? AND key = ?"));
    known->bind(1, change.actor.tenant).bind(2, change.actor.name);
    TG_TRY(const bool found, known->bind(3, change.key).step());
    if (found) {
        if (!std::ranges::equal(known->blob(0), change.digest)) {
            return fail(ErrorCode::kConflict, "This Idempotency-Key was used for another request.");
        }
        if (known->integer(1) == 404) return fail(ErrorCode::kNotFound, "What this key was answered with was removed.");
        return LedgerAnswer{static_cast<int>(known->integer(1)), std::string(known->text(2)), true};
    }
    known->reset();
    TG_TRY(LedgerAnswer answer, change.work(*books_));
    TG_TRY(
        const auto keep,
        store.prepare(
            "INSERT INTO answers (tenant, actor, key, digest, status, body, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?)"));
    keep->bind(1, change.actor.tenant).bind(2, change.actor.name).bind(3, change.key);
    keep->bind(4, BookStatement::Bytes(change.digest)).bind(5, std::int64_t{answer.status}).bind(6, answer.body);
    TG_CHECK(keep->bind(7, clock_.unix_ms()).run());
    return answer;
}

Result<LedgerAnswer> Ledger::make(Change& change) {
    BookStore& store = books_->store();
    // A disk that is full ends the transaction of its own accord; a savepoint would begin another.
    if (!store.in_transaction()) return fail(ErrorCode::kUnavailable, "The ledger's disk takes nothing.");
    TG_CHECK(store.savepoint());
    auto answer = make_once(change);
    TG_CHECK(answer ? store.keep() : store.undo());
    return answer;
}

Result<void> Ledger::write_batch(std::vector<Change>& batch, std::vector<Result<LedgerAnswer>>& answers) {
    BookStore& store = books_->store();
    std::vector<std::string> tenants;
    for (const Change& change : batch) tenants.push_back(change.actor.tenant);
    TG_CHECK(store.begin_writing(tenants));
    BookMoment moment(store);
    TG_TRY(const auto old, store.prepare(store.dialect().forget_answers));
    TG_CHECK(old->bind(1, clock_.unix_ms() - std::chrono::duration_cast<std::chrono::milliseconds>(kAnswerKept).count())
                 .run());
    for (Change& change : batch) {
        answers.push_back(make(change));
        if (!answers.back() && store.may_repeat()) return std::unexpected(answers.back().error());
    }
    return moment.commit();
}

void Ledger::commit_batch(std::vector<Change>& batch) {
    std::vector<Result<LedgerAnswer>> answers;
    auto written = write_batch(batch, answers);
    for (int again = 0; !written && books_->store().may_repeat() && again < kRepeatsMax; ++again) {
        answers.clear();
        written = write_batch(batch, answers);
    }
    if (!written && books_->store().may_repeat()) {
        written = fail(ErrorCode::kUnavailable,
                       "Others change the same again and again; nothing of it was done, send it again.");
    }
    if (written) {
        commits_.fetch_add(1);
        for (const Result<LedgerAnswer>& one : answers) {
            if (one) (one->repeated ? repeats_ : changes_).fetch_add(1);
        }
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
        // What the disk did not take was not done, whatever its own answer was.
        if (written) {
            batch[i].done(std::move(answers[i]));
        } else {
            batch[i].done(std::unexpected(told_of(written.error(), !batch[i].key.empty())));
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
            while (!queue_.empty() && batch.size() < home_->batch_max()) {
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
        while (home_->readers_max() != 0 && lent_ == home_->readers_max()) returned_.wait(readers_mutex_);
        ++lent_;
        if (!readers_.empty()) {
            auto books = std::move(readers_.back());
            readers_.pop_back();
            return books;
        }
    }
    auto opened = Books::open(*home_, clock_, random_);
    if (!opened) give_back(nullptr);
    return opened;
}

void Ledger::give_back(std::unique_ptr<Books> books) {
    const Lock lock(readers_mutex_);
    --lent_;
    if (books) readers_.push_back(std::move(books));
    returned_.notify_one();
}

Result<void> Ledger::read(const std::function<Result<void>(Books& books)>& look) {
    TG_TRY(auto books, borrow());
    const auto done = look(*books);
    give_back(std::move(books));
    return done;
}

}  // namespace tidegate::content
