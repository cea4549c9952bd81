#include "bus/partition_log.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/json_writer.h"
#include "bus/source_marks.h"

namespace tidegate::bus {

using audit::segments::EncodedGroup;
using audit::segments::SourceMark;
using audit::segments::SystemLogFolder;

Seen judge(const std::optional<OriginMark>& mark, const BlockLabel& label) noexcept {
    if (!mark) return Seen::kNew;
    if (label.round_first == mark->round_first && label.round_end == mark->round_end) {
        if (label.first <= mark->block_first) return Seen::kTaken;
        return label.round_first >= mark->covered ? Seen::kNew : Seen::kUnclear;
    }
    return label.round_first >= std::max(mark->round_end, mark->covered) ? Seen::kNew : Seen::kUnclear;
}

OriginMark advance(const std::optional<OriginMark>& mark, const BlockLabel& label) noexcept {
    if (!mark) return {label.round_first, label.round_end, label.first, 0};
    const bool same = label.round_first == mark->round_first && label.round_end == mark->round_end;
    if (same) return {label.round_first, label.round_end, std::max(label.first, mark->block_first), mark->covered};
    return {label.round_first, label.round_end, label.first, std::max(mark->covered, mark->round_end)};
}

PartitionLog::PartitionLog(PartitionOptions options, const Clock& clock, Random& random)
    : options_(std::move(options)), clock_(clock), random_(random) {}

PartitionLog::~PartitionLog() {
    close();
}

Result<std::unique_ptr<PartitionLog>> PartitionLog::open(PartitionOptions options, const Clock& clock, Random& random) {
    std::unique_ptr<PartitionLog> made(new PartitionLog(std::move(options), clock, random));
    TG_TRY(made->log_, audit::segments::SegmentLog::open(std::make_unique<SystemLogFolder>(made->options_.folder),
                                                         made->options_.log, clock, random));
    TG_CHECK(made->recover());
    made->closed_ = false;
    return made;
}

// The log has the folder's lock: nobody else writes here.
Result<void> PartitionLog::recover() {
    SystemLogFolder folder(options_.folder);
    SourceMarks marks{.topic = options_.topic, .partition = options_.partition};
    const auto text = SystemDisk().read(options_.folder + "/" + std::string(kSourcesName), 64ULL * 1024 * 1024);
    if (text) {
        if (const auto saved = decode_sources(*text)) {
            if (saved->topic != marks.topic || saved->partition != marks.partition) {
                return fail(ErrorCode::kConflict,
                            fmt::format("the folder holds partition {} of topic {}", saved->partition, saved->topic));
            }
            marks = *saved;
        }
    } else if (text.error().code != ErrorCode::kNotFound) {
        return std::unexpected(text.error());
    }
    TG_CHECK(walk_sources(folder, log_->reader().end_leaf(), marks));
    marks_ = marks.origins;
    last_origin_ = marks.last_origin;
    {
        const Lock lock(mutex_);
        taken_ = marks.next_offset;
        health_.next_offset = marks.next_offset;
    }
    // Written at once: the folder is this topic's from now on.
    return save_marks();
}

std::optional<std::uint64_t> PartitionLog::next_offset() const {
    const Lock lock(mutex_);
    return health_.next_offset;
}

std::optional<std::uint64_t> PartitionLog::expected() const {
    const Lock lock(mutex_);
    return taken_;
}

void PartitionLog::begin_at(std::uint64_t offset) {
    const Lock lock(mutex_);
    if (!taken_) taken_ = offset;
}

Result<void> PartitionLog::failure() const {
    const Lock lock(mutex_);
    if (error_) return std::unexpected(*error_);
    return {};
}

Result<void> PartitionLog::take(std::uint64_t offset, Bytes message) {
    TG_CHECK(failure());
    {
        const Lock lock(mutex_);
        // Fetched again after a seek: it is in the log or on its way there.
        if (taken_ && offset < *taken_) return {};
        if (taken_ && offset > *taken_) {
            return fail(ErrorCode::kDataLoss, fmt::format("message {} came where {} was expected", offset, *taken_));
        }
    }
    if (auto read = read_block(message, block_); !read) return set_aside(offset, message, read.error());
    TG_CHECK(take_block(offset));
    if (records_since_save_ >= options_.save_marks_records) {
        TG_CHECK(flush());
        TG_CHECK(save_marks());
    }
    return {};
}

Result<void> PartitionLog::take_block(std::uint64_t offset) {
    const BlockLabel& label = block_.header.label;
    const auto found = marks_.find(label.origin);
    const auto mark = found == marks_.end() ? std::nullopt : std::optional(found->second);
    const Seen seen = judge(mark, label);
    if (seen == Seen::kUnclear) TG_CHECK(keep_unknown(block_));
    if (seen == Seen::kTaken || block_.views.empty()) {
        {
            const Lock lock(mutex_);
            ++health_.duplicate_blocks;
        }
        move_on(offset + 1);
        return {};
    }
    marks_[label.origin] = advance(mark, label);
    last_origin_ = label.origin;
    keys_.clear();
    for (const auto& view : block_.views) keys_.push_back(audit::segments::keys_of(log_->key_seed(), view));
    const SourceMark source{.partition = options_.partition,
                            .next_offset = offset + 1,
                            .origin = label.origin,
                            .round_first = label.round_first,
                            .round_end = label.round_end,
                            .block_first = label.first};
    TG_CHECK(append({block_.payload, block_.offsets, keys_, block_.leaves, source}));
    records_since_save_ += block_.views.size();
    const Lock lock(mutex_);
    ++health_.blocks;
    // So that the header of the batch states this label by itself: an open must find each of them.
    return {};
}

// Its sender has lost its place: what is in the log already is found by its id.
Result<void> PartitionLog::keep_unknown(Block& block) {
    TG_CHECK(flush());
    Block kept;
    kept.header = block.header;
    for (std::size_t i = 0; i < block.views.size(); ++i) {
        TG_TRY(const auto found, log_->reader().find_id(block.views[i].id));
        if (found) continue;
        const std::size_t begin = block.offsets[i];
        const std::size_t end = i + 1 < block.offsets.size() ? block.offsets[i + 1] : block.payload.size();
        kept.offsets.push_back(static_cast<std::uint32_t>(kept.payload.size()));
        kept.payload.insert(kept.payload.end(), block.payload.begin() + static_cast<std::ptrdiff_t>(begin),
                            block.payload.begin() + static_cast<std::ptrdiff_t>(end));
        kept.leaves.push_back(block.leaves[i]);
    }
    {
        const Lock lock(mutex_);
        health_.duplicate_records += block.views.size() - kept.leaves.size();
    }
    // Views point into the payload, which has stopped growing now.
    for (std::size_t i = 0; i < kept.offsets.size(); ++i) {
        const std::size_t end = i + 1 < kept.offsets.size() ? kept.offsets[i + 1] : kept.payload.size();
        const std::size_t begin = kept.offsets[i] + std::size_t{4};
        TG_TRY(const auto view, audit::segments::decode(Bytes(kept.payload).subspan(begin, end - begin)));
        kept.views.push_back(view);
    }
    block = std::move(kept);
    return {};
}

Result<void> PartitionLog::set_aside(std::uint64_t offset, Bytes message, const Error& why) {
    const std::string name = fmt::format("dead/{:020}.message", offset);
    SystemDisk disk;
    TG_CHECK(disk.make_directories(options_.folder + "/dead"));
    TG_CHECK(disk.write_atomic(options_.folder + "/" + name, audit::segments::text_of(message)));
    std::string output;
    JsonWriter(output)
        .begin_object()
        .field("topic", options_.topic)
        .field("partition", options_.partition)
        .field("offset", offset)
        .field("bytes", std::uint64_t{message.size()})
        .field("sha256", to_hex(sha256(audit::segments::text_of(message))))
        .field("file", name)
        .field("reason", why.message)
        .end_object();
    TG_CHECK(append_event("dead_letter", std::move(output), offset + 1));
    const Lock lock(mutex_);
    ++health_.dead_letters;
    return {};
}

Result<void> PartitionLog::note_lost(std::uint64_t from, std::uint64_t to) {
    std::string output;
    JsonWriter(output)
        .begin_object()
        .field("topic", options_.topic)
        .field("partition", options_.partition)
        .field("from_offset", from)
        .field("to_offset", to)
        .field("reason", "the broker let these messages go before they were read")
        .end_object();
    TG_CHECK(append_event("gap", std::move(output), to));
    const Lock lock(mutex_);
    health_.lost_messages += to - from;
    return {};
}

Result<void> PartitionLog::append_event(std::string_view operation, std::string output, std::uint64_t next_offset) {
    audit::Decision event = audit::own_event("bus", operation, clock_, random_);
    event.output = std::move(output);
    std::vector<std::uint8_t> payload(4 + audit::segments::encoded_size(event));
    audit::segments::put(payload.data(), static_cast<std::uint32_t>(payload.size() - 4));
    const UnixMillis recorded = std::max<UnixMillis>(0, clock_.unix_ms());
    audit::segments::encode(event, recorded, std::span(payload).subspan(4));
    const std::uint32_t at = 0;
    const auto keys = audit::segments::keys_of(log_->key_seed(), event, recorded);
    const Sha256 leaf = audit::segments::leaf_hash(Bytes(payload).subspan(4));
    SourceMark source{.partition = options_.partition, .next_offset = next_offset, .origin = last_origin_};
    if (const auto mark = marks_.find(last_origin_); mark != marks_.end()) {
        source.round_first = mark->second.round_first;
        source.round_end = mark->second.round_end;
        source.block_first = mark->second.block_first;
    }
    return append({payload, {&at, 1}, {&keys, 1}, {&leaf, 1}, source});
}

// The log's own queue refuses when it is full; what is on its way is kept below that here, so that nobody is refused.
Result<void> PartitionLog::append(const EncodedGroup& group) {
    const std::size_t bytes = group.payload.size();
    const std::uint64_t records = group.keys.size();
    const std::uint64_t next = group.source->next_offset;
    {
        const Lock lock(mutex_);
        while (in_flight_ > 0 && in_flight_bytes_ + bytes > options_.in_flight_bytes_max) progressed_.wait(mutex_);
        if (error_) return std::unexpected(*error_);
        in_flight_bytes_ += bytes;
        ++in_flight_;
        taken_ = next;
    }
    log_->append_encoded(group, [this, bytes, records, next](Result<std::uint64_t> leaf) {
        {
            const Lock lock(mutex_);
            in_flight_bytes_ -= bytes;
            --in_flight_;
            if (leaf && !error_) {
                health_.records += records;
                health_.next_offset = in_flight_ == 0 ? taken_ : std::optional(next);
            } else if (!leaf && !error_) {
                error_ = std::move(leaf).error();
                health_.failure = error_->message;
            }
        }
        progressed_.notify_all();
    });
    return failure();
}

// A message that leaves nothing in the log: it is read again after a restart, and left out again.
void PartitionLog::move_on(std::uint64_t next_offset) {
    const Lock lock(mutex_);
    taken_ = next_offset;
    if (in_flight_ == 0) health_.next_offset = next_offset;
}

Result<void> PartitionLog::flush() {
    const Lock lock(mutex_);
    while (in_flight_ > 0) progressed_.wait(mutex_);
    if (error_) return std::unexpected(*error_);
    return {};
}

Result<void> PartitionLog::save_marks() {
    SourceMarks marks{.topic = options_.topic,
                      .partition = options_.partition,
                      .leaf = log_->reader().end_leaf(),
                      .next_offset = {},
                      .origins = marks_,
                      .last_origin = last_origin_};
    {
        const Lock lock(mutex_);
        marks.next_offset = taken_;
    }
    records_since_save_ = 0;
    return SystemDisk().write_atomic(options_.folder + "/" + std::string(kSourcesName), encode_sources(marks));
}

void PartitionLog::close() {
    if (std::exchange(closed_, true) || !log_) return;
    // A failed log is opened again from its batch headers; so is one whose marks could not be saved.
    if (flush()) static_cast<void>(save_marks());
    log_->close();
}

PartitionHealth PartitionLog::health() const {
    PartitionHealth health;
    {
        const Lock lock(mutex_);
        health = health_;
    }
    health.size = log_->tree().size();
    return health;
}

}  // namespace tidegate::bus
