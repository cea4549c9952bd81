#include "services/content/ledger/ledger.h"

#include <algorithm>
#include <utility>

#include "services/content/database/postgres_session.h"
#include "services/content/ledger/sql.h"

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
    {
        Lock lock(mutex_);
        const SteadyTime end = clock_.now() + kStopPatience;
        while (writer_.joinable() && !done_ && clock_.now() < end) {
            static_cast<void>(ended_.wait_for(mutex_, end - clock_.now()));
        }
        given_up_ = true;
    }
    home_->give_up();
    if (writer_.joinable()) writer_.join();
}

std::size_t Ledger::waiting() const {
    const Lock lock(mutex_);
    return queue_.size();
}

void Ledger::submit(Change change) {
    bool share_taken = false;
    {
        const Lock lock(mutex_);
        const auto mine = queued_of_.find(change.actor.tenant);
        // Who has no tenant has no share either.
        share_taken = !change.actor.tenant.empty() && mine != queued_of_.end() && mine->second >= kTenantQueueMax;
        if (!stopping_ && !share_taken && queue_.size() < kQueueMax) {
            ++queued_of_[change.actor.tenant];
            queue_.push_back(std::move(change));
            wake_.notify_one();
            return;
        }
    }
    refused_.fetch_add(1);
    if (share_taken) {
        return change.done(fail(ErrorCode::kResourceExhausted,
                                "As many changes of your tenant wait for the ledger as it takes of one."));
    }
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
        store.prepare(sql_of({"INSERT INTO answers (tenant, actor, key, digest, status, body, created_ms) VALUES (?, "
                              "?, ?, ?, ?, ?, ",
                              store.dialect().answer_time, ")"})));
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
    const SteadyTime end = clock_.now() + kBatchTime;
    for (Change& change : batch) {
        if (!answers.empty() && clock_.now() > end) break;
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
    if (!written && books_->store().locked_out() && batch.size() > 1) return commit_by_tenant(std::exchange(batch, {}));
    const std::size_t taken = written ? answers.size() : batch.size();
    if (written) {
        commits_.fetch_add(1);
        for (const Result<LedgerAnswer>& one : answers) {
            if (one) (one->repeated ? repeats_ : changes_).fetch_add(1);
        }
    }
    for (std::size_t i = 0; i < taken; ++i) {
        // What the disk did not take was not done, whatever its own answer was.
        if (written) {
            batch[i].done(std::move(answers[i]));
        } else {
            batch[i].done(std::unexpected(told_of(written.error(), !batch[i].key.empty())));
        }
    }
    batch.erase(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(taken));
}

/// Another server holds one of them for too long: the others need not wait for it.
void Ledger::commit_by_tenant(std::vector<Change> batch) {
    std::map<std::string, std::vector<Change>> by_tenant;
    for (Change& change : batch) by_tenant[change.actor.tenant].push_back(std::move(change));
    if (by_tenant.size() == 1) {
        for (Change& change : by_tenant.begin()->second) {
            change.done(fail(ErrorCode::kUnavailable,
                             "Another server works for your tenant for too long; nothing of it "
                             "was done, send it again."));
        }
        return;
    }
    for (auto& [_, changes] : by_tenant) {
        commit_batch(changes);
        if (!changes.empty()) put_back(std::move(changes));
    }
}

/// In a transaction of its own, so that it holds no tenant while it does; what fails is done the next time.
void Ledger::forget_answers() {
    constexpr std::int64_t kEveryMs = 10'000;
    const UnixMillis now = clock_.unix_ms();
    // A clock that was put back must not end it.
    if (now >= forgotten_ms_ && now - forgotten_ms_ < kEveryMs) return;
    forgotten_ms_ = now;
    BookStore& store = books_->store();
    if (!store.begin_writing({})) return;
    BookMoment moment(store);
    const auto old = store.prepare(store.dialect().forget_answers);
    if (!old) return;
    const auto kept = std::chrono::duration_cast<std::chrono::milliseconds>(kAnswerKept).count();
    (*old)->bind(1, now - kept);
    bool may_have_left_some = false;
    for (;;) {
        const auto row = (*old)->step();
        if (!row) return;
        if (!*row) break;
        may_have_left_some = true;
    }
    (*old)->reset();
    if (moment.commit() && may_have_left_some) forgotten_ms_ = 0;  // Before the next batch again, until none is left.
}

std::vector<Ledger::Change> Ledger::next_batch() {
    std::vector<Change> batch;
    while (!queue_.empty() && batch.size() < home_->batch_max()) {
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
        const auto mine = queued_of_.find(batch.back().actor.tenant);
        if (--mine->second == 0) queued_of_.erase(mine);
    }
    return batch;
}

void Ledger::put_back(std::vector<Change> changes) {
    const Lock lock(mutex_);
    while (!changes.empty()) {
        ++queued_of_[changes.back().actor.tenant];
        queue_.push_front(std::move(changes.back()));
        changes.pop_back();
    }
}

void Ledger::run() {
    for (;;) {
        std::vector<Change> batch;
        bool refused = false;
        {
            const Lock lock(mutex_);
            while (queue_.empty() && !stopping_) wake_.wait(mutex_);
            if (queue_.empty()) {
                done_ = true;
                ended_.notify_all();
                return;
            }
            refused = given_up_;
            batch = next_batch();
        }
        if (refused) {
            for (Change& change : batch) change.done(fail(ErrorCode::kUnavailable, "The server is stopping."));
            continue;
        }
        forget_answers();
        commit_batch(batch);
        if (!batch.empty()) put_back(std::move(batch));
    }
}

Result<std::unique_ptr<Books>> Ledger::borrow() {
    {
        const Lock lock(readers_mutex_);
        const SteadyTime end = clock_.now() + kReaderWait;
        while (home_->readers_max() != 0 && lent_ == home_->readers_max()) {
            const SteadyTime now = clock_.now();
            // Who waits holds a thread that others need as well.
            if (now >= end) return fail(ErrorCode::kUnavailable, "As many as may read the ledger at a time do so.");
            static_cast<void>(returned_.wait_for(readers_mutex_, end - now));
        }
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
