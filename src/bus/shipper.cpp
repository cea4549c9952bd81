#include "bus/shipper.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "audit/segments/crc32c.h"
#include "base/file.h"
#include "base/strings.h"

namespace tidegate::bus {
namespace {

constexpr Duration kRetryInterval = std::chrono::seconds(1);
// Of the smallest records; the bytes bound a round of larger ones.
constexpr std::uint64_t kRoundRecordsMax = 65'536;

// A message without a key goes anywhere; records without a tenant stay together.
std::string key_of_tenant(std::string_view tenant) {
    return tenant.empty() ? "-" : std::string(tenant);
}

}  // namespace

std::string encode_position(const ShipPosition& p) {
    std::string text =
        fmt::format("tidegate kafka position 1\nlog {}\ntopic {}\nshipped {}\nround {} {}\n",
                    to_hex(p.log_id.data(), p.log_id.size()), p.topic, p.shipped, p.round_end, p.block_bytes);
    text += fmt::format("crc32c {:08x}\n", audit::segments::crc32c(audit::segments::bytes_of(text)));
    return text;
}

std::optional<ShipPosition> decode_position(std::string_view text) {
    const auto lines = split(text, '\n');
    if (lines.size() != 7 || lines[1].size() != 36 || !lines[2].starts_with("topic ")) return std::nullopt;
    ShipPosition position;
    for (std::size_t i = 0; i < position.log_id.size(); ++i) {
        unsigned byte = 0;
        for (const char c : lines[1].substr(4 + 2 * i, 2)) {
            const bool digit = c >= '0' && c <= '9';
            byte = byte * 16 + static_cast<unsigned>(digit ? c - '0' : (c - 'a' + 10) & 15);
        }
        position.log_id[i] = static_cast<std::uint8_t>(byte);
    }
    position.topic = lines[2].substr(6);
    const auto shipped = split(lines[3], ' ');
    const auto round = split(lines[4], ' ');
    if (shipped.size() != 2 || round.size() != 3) return std::nullopt;
    position.shipped = parse_u64(shipped[1]).value_or(0);
    position.round_end = parse_u64(round[1]).value_or(0);
    position.block_bytes = static_cast<std::uint32_t>(parse_u64(round[2]).value_or(0));
    // One form only: what we would write is what must stand there.
    if (encode_position(position) != text) return std::nullopt;
    return position;
}

struct Shipper::Cut {
    struct Ready {
        std::uint64_t first = 0;
        std::string key;
        BlockBuilder builder;
    };
    std::vector<Ready> blocks;
};

Shipper::Shipper(ShipperOptions options, const audit::LogReader& reader, observe::Logger* log, ShipPosition position)
    : options_(std::move(options)),
      reader_(reader),
      log_(log),
      sender_(options_.producer),
      seen_(reader.end_leaf()),
      position_(std::move(position)) {
    health_.shipped = position_.shipped;
}

Shipper::~Shipper() {
    stop();
}

Result<std::unique_ptr<Shipper>> Shipper::open(ShipperOptions options, const audit::LogReader& reader,
                                               const LogId& log_id, observe::Logger* log) {
    ShipPosition position{.log_id = log_id, .topic = options.producer.topic};
    const auto text = SystemDisk().read(options.position_path, 4096);
    if (text) {
        const auto saved = decode_position(*text);
        if (!saved) return fail(ErrorCode::kDataLoss, "the position of what was sent to Kafka cannot be read");
        if (saved->log_id != log_id) {
            return fail(ErrorCode::kConflict, "the position of what was sent to Kafka is another log's");
        }
        if (std::max(saved->shipped, saved->round_end) > reader.end_leaf()) {
            return fail(ErrorCode::kDataLoss, fmt::format("{} records were sent to Kafka, and the log has {}",
                                                          saved->shipped, reader.end_leaf()));
        }
        // Another topic has nothing of it yet.
        if (saved->topic == position.topic) position = *saved;
    } else if (text.error().code != ErrorCode::kNotFound) {
        return std::unexpected(text.error());
    }
    return std::unique_ptr<Shipper>(new Shipper(std::move(options), reader, log, std::move(position)));
}

Result<void> Shipper::follow(const audit::DurableRecords& records) {
    seen_.store(records.end(), std::memory_order_release);
    wake_.notify_one();
    return {};
}

void Shipper::start() {
    thread_ = std::thread([this] { run(); });
}

void Shipper::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    sender_.stop();
    if (thread_.joinable()) thread_.join();
}

// False: stopping. Records gather for a moment, so that a quiet server does not send one each.
bool Shipper::wait_for_work() {
    const Lock lock(mutex_);
    while (!stopping_ && position_.round_end <= position_.shipped && reader_.end_leaf() <= position_.shipped) {
        // The notification comes without the lock; one that is missed costs this wait.
        wake_.wait_for(mutex_, std::chrono::milliseconds(100));
    }
    if (!stopping_ && reader_.end_leaf() - position_.shipped < 1024) wake_.wait_for(mutex_, options_.linger);
    return !stopping_;
}

void Shipper::run() {
    while (wait_for_work()) {
        const auto shipped = ship_round();
        const Lock lock(mutex_);
        health_.failure = shipped ? std::string() : shipped.error().message;
        if (!shipped && !stopping_) wake_.wait_for(mutex_, kRetryInterval);
    }
}

Result<void> Shipper::save(const ShipPosition& position) {
    TG_CHECK(SystemDisk().write_atomic(options_.position_path, encode_position(position)));
    position_ = position;
    return {};
}

// The end of the round to send: the one that was begun, or a new one that is written down first.
Result<std::uint64_t> Shipper::begin_round() {
    const std::uint64_t kept = reader_.first_leaf();
    if (kept > position_.shipped) {
        const std::uint64_t lost = kept - position_.shipped;
        if (log_ != nullptr) {
            log_->line(observe::Level::kError, "kafka_records_lost")
                .field("records", lost)
                .field("reason", "retention removed them before they were sent");
        }
        ShipPosition next = position_;
        next.shipped = kept;
        // What is left of a round that was begun is another round.
        next.round_end = 0;
        TG_CHECK(save(next));
        const Lock lock(mutex_);
        health_.lost += lost;
    }
    if (position_.round_end > position_.shipped) return position_.round_end;
    const std::uint64_t most = std::min(reader_.end_leaf(), position_.shipped + kRoundRecordsMax);
    std::uint64_t bytes = 0;
    TG_TRY(const std::uint64_t end, reader_.scan(position_.shipped, most, [&](std::uint64_t, Bytes record) {
        bytes += record.size() + 4;
        return bytes < options_.round_bytes_max;
    }));
    ShipPosition next = position_;
    next.round_end = end;
    next.block_bytes = options_.block_bytes;
    TG_CHECK(save(next));
    return end;
}

// The same records and block size give the same blocks.
Result<void> Shipper::cut(std::uint64_t first, std::uint64_t end, Cut& out) const {
    std::map<std::string, std::size_t, std::less<>> open;  // By tenant: its block that has room.
    Result<void> decoded;
    TG_TRY(const std::uint64_t reached, reader_.scan(first, end, [&](std::uint64_t leaf, Bytes record) {
        const auto view = audit::segments::decode(record);
        if (!view) {
            decoded = std::unexpected(view.error());
            return false;
        }
        const auto found = open.find(view->tenant);
        if (found == open.end() || !out.blocks[found->second].builder.has_room(record.size(), position_.block_bytes)) {
            open.insert_or_assign(std::string(view->tenant), out.blocks.size());
            out.blocks.push_back({.first = leaf, .key = key_of_tenant(view->tenant), .builder = BlockBuilder()});
            out.blocks.back().builder.add(record);
        } else {
            out.blocks[found->second].builder.add(record);
        }
        return true;
    }));
    TG_CHECK(std::move(decoded));
    if (reached != end) return fail(ErrorCode::kUnavailable, "the log could not be read to the end of the round");
    return {};
}

// False: stopped.
Result<bool> Shipper::ship_round() {
    TG_TRY(const std::uint64_t end, begin_round());
    const std::uint64_t first = position_.shipped;
    Cut round;
    TG_CHECK(cut(first, end, round));
    // They were begun in the order of their first leaves.
    for (Cut::Ready& block : round.blocks) {
        TG_TRY(const bool sent, sender_.send(std::move(block.key), block.builder.take({.origin = position_.log_id,
                                                                                       .round_first = first,
                                                                                       .round_end = end,
                                                                                       .first = block.first})));
        if (!sent) return false;
    }
    TG_TRY(const bool all, sender_.wait_all());
    if (!all) return false;
    ShipPosition next = position_;
    next.shipped = end;
    next.round_end = 0;
    TG_CHECK(save(next));
    const Lock lock(mutex_);
    health_.shipped = end;
    ++health_.rounds;
    return true;
}

ShipperHealth Shipper::health() const {
    ShipperHealth health;
    {
        const Lock lock(mutex_);
        health = health_;
    }
    const std::uint64_t end = reader_.end_leaf();
    health.behind = end > health.shipped ? end - health.shipped : 0;
    health.sender = sender_.health();
    return health;
}

void append_status(JsonWriter& writer, const ShipperHealth& health) {
    writer.field("shipped", health.shipped).field("behind", health.behind).field("lost", health.lost);
    writer.field("blocks", health.sender.blocks);
    if (!health.failure.empty()) writer.field("failure", health.failure);
    if (!health.sender.reason.empty()) writer.field("reason", health.sender.reason);
}

void declare_metrics(observe::Registry& registry, const Shipper& shipper) {
    const auto of = [&](std::string name, std::string help, std::string rises, observe::MetricType type,
                        std::uint64_t (*read)(const ShipperHealth&)) {
        registry.callback(
            {.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, type,
            [&shipper, read](observe::Samples& out) { out.add({}, static_cast<double>(read(shipper.health()))); });
    };
    using enum observe::MetricType;
    of("tidegate_kafka_shipped", "Records of the log that the broker has acknowledged.", "Decisions are sent.", kGauge,
       [](const ShipperHealth& health) { return health.shipped; });
    of("tidegate_kafka_behind", "Durable records that the broker does not have yet.",
       "The broker is away or slow: see `kafka` in /health.", kGauge,
       [](const ShipperHealth& health) { return health.behind; });
    of("tidegate_kafka_lost_total", "Records that retention removed before they were sent.",
       "The broker was away for longer than records are kept.", kCounter,
       [](const ShipperHealth& health) { return health.lost; });
    of("tidegate_kafka_blocks_total", "Blocks that the broker has acknowledged.", "Decisions are sent.", kCounter,
       [](const ShipperHealth& health) { return health.sender.blocks; });
    of("tidegate_kafka_producers_replaced_total", "Producers that failed for good and were replaced.",
       "Brokers lose their state, or refuse blocks: see `kafka` in /health.", kCounter,
       [](const ShipperHealth& health) { return health.sender.producers_replaced; });
}

}  // namespace tidegate::bus
