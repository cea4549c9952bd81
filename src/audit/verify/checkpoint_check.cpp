#include "audit/verify/checkpoint_check.h"

#include <fmt/core.h>

#include <algorithm>

namespace tidegate::audit::verify {
namespace {

constexpr std::size_t kWrongSizesMax = 64;

}  // namespace

CheckpointCheck::CheckpointCheck(const Source* file, std::span<const Key> keys, std::span<const std::string> extra,
                                 Report& report)
    : keys_(keys), report_(report) {
    if (file != nullptr) stream_.emplace(*file);
    for (const std::string& note : extra) {
        const ReadStatement read = read_statement(note, keys_);
        take(read, "a checkpoint given beside the log");
        if (read.trust == Trust::kSigned || read.trust == Trust::kUnchecked) extra_.push_back(read.statement);
    }
    std::ranges::sort(extra_, {}, &Statement::size);
}

// Counts it, or says why it is not believed.
void CheckpointCheck::take(const ReadStatement& read, const char* where) {
    switch (read.trust) {
        case Trust::kSigned:
        case Trust::kUnchecked:
            ++report_.checkpoints;
            report_.signed_leaves = std::max(report_.signed_leaves, read.statement.size);
            return;
        case Trust::kForeign:
            report_.add(Kind::kForeignCheckpoint,
                        fmt::format("{} for {} leaves is of another log or key", where, read.statement.size));
            return;
        case Trust::kBroken:
            report_.add(Kind::kBadSignature,
                        fmt::format("the signature of {} for {} leaves does not hold", where, read.statement.size));
            return;
        case Trust::kMalformed:
            report_.add(Kind::kCheckpointMalformed, std::string(where) + " is malformed");
            return;
    }
}

Result<void> CheckpointCheck::begin() {
    TG_CHECK(pull());
    set_next();
    return {};
}

void CheckpointCheck::set_next() noexcept {
    next_ = pending_ ? pending_->size : kNever;
    if (extra_at_ < extra_.size()) next_ = std::min(next_, extra_[extra_at_].size);
}

// The next believed statement of the file that is larger than those before it.
Result<void> CheckpointCheck::pull() {
    pending_.reset();
    while (stream_ && !pending_) {
        TG_TRY(const auto note, stream_->next());
        if (!note) {
            if (stream_->left_over()) report_.notes.emplace_back("the checkpoint file ends within a checkpoint");
            stream_.reset();
            break;
        }
        const ReadStatement read = read_statement(*note, keys_);
        take(read, "a checkpoint of the log");
        if (read.trust != Trust::kSigned && read.trust != Trust::kUnchecked) continue;
        const Statement& statement = read.statement;
        if (!last_of_file_ || statement.size > last_of_file_->size) {
            pending_ = last_of_file_ = statement;
        } else if (statement.size == last_of_file_->size && statement.root != last_of_file_->root) {
            report_.add(Kind::kForked, fmt::format("two roots were signed for {} leaves", statement.size));
        } else {
            report_.add(Kind::kCheckpointOrder, fmt::format("a checkpoint for {} leaves comes after one for {}",
                                                            statement.size, last_of_file_->size));
        }
    }
    return {};
}

void CheckpointCheck::judge(const Statement& statement, std::uint64_t size, const Digest* root) {
    if (root == nullptr || statement.size != size) {
        ++unjudged_;
    } else if (*root == statement.root) {
        ++report_.checkpoints_proven;
        last_right_ = size;
    } else {
        ++wrong_;
        if (wrong_sizes_.size() < kWrongSizesMax) wrong_sizes_.push_back(size);
        last_wrong_ = size;
    }
}

Result<void> CheckpointCheck::reached(std::uint64_t size, const Digest* root) {
    while (next_ <= size) {
        for (; extra_at_ < extra_.size() && extra_[extra_at_].size == next_; ++extra_at_)
            judge(extra_[extra_at_], size, root);
        if (pending_ && pending_->size == next_) {
            judge(*pending_, size, root);
            TG_CHECK(pull());
        }
        set_next();
    }
    return {};
}

Result<void> CheckpointCheck::finish(std::uint64_t size) {
    std::uint64_t beyond = 0;
    while (next_ != kNever) {
        ++beyond;
        if (extra_at_ < extra_.size() && extra_[extra_at_].size == next_) {
            ++extra_at_;
        } else {
            TG_CHECK(pull());
        }
        set_next();
    }
    if (beyond != 0) {
        report_.add(
            Kind::kTruncated,
            fmt::format("the log ends at leaf {}, and {} checkpoint(s) say that it has been longer, the largest "
                        "{} leaves: its end was cut off or the log was rolled back",
                        size, beyond, report_.signed_leaves));
    }
    if (unjudged_ != 0) {
        report_.notes.push_back(fmt::format("{} checkpoint(s) could not be compared with the records", unjudged_));
    }
    if (wrong_ == 0) return {};
    for (const std::uint64_t wrong : wrong_sizes_) {
        if (wrong > last_right_) break;
        report_.add(Kind::kForked,
                    fmt::format("the checkpoint for {} leaves contradicts the one for {}: the log was forked", wrong,
                                last_right_));
    }
    if (last_wrong_ > last_right_) {
        const auto first = std::ranges::upper_bound(wrong_sizes_, last_right_);
        const std::string from = first == wrong_sizes_.end() ? std::string("a later size") : std::to_string(*first);
        report_.add(
            Kind::kRootMismatch,
            fmt::format(
                "the records do not lead to the root signed for {} leaves: records from leaf {} on were changed, "
                "or the log was forked there",
                from, last_right_));
    }
    return {};
}

}  // namespace tidegate::audit::verify
