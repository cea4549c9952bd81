#include "bus/partition_reader.h"

#include <array>

namespace tidegate::bus {
namespace {

constexpr int kBatchWaitMs = 100;
// Blocks of 256 KiB: 4 MiB at a time.
constexpr std::size_t kMessagesAtOnce = 16;

struct DestroyMessage {
    void operator()(rd_kafka_message_t* message) const noexcept { rd_kafka_message_destroy(message); }
};

}  // namespace

PartitionReader::PartitionReader(rd_kafka_t* kafka, std::string topic, std::unique_ptr<PartitionLog> log,
                                 HeadSigner signer, const Clock& clock)
    : kafka_(kafka), topic_(std::move(topic)), log_(std::move(log)), signer_(std::move(signer)), clock_(clock) {
    queue_.reset(rd_kafka_queue_get_partition(kafka_, topic_.c_str(), static_cast<std::int32_t>(log_->partition())));
    if (queue_) rd_kafka_queue_forward(queue_.get(), nullptr);
}

PartitionReader::~PartitionReader() {
    stop();
}

void PartitionReader::start() {
    if (!queue_) return fail_with("the partition has no queue");
    thread_ = std::thread([this] { run(); });
}

void PartitionReader::stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    queue_.reset();
    if (log_->flush()) sign_head();
    log_->close();
}

void PartitionReader::run() {
    std::array<rd_kafka_message_t*, kMessagesAtOnce> messages{};
    while (!stopping_ && !failed_) {
        const ssize_t count =
            rd_kafka_consume_batch_queue(queue_.get(), kBatchWaitMs, messages.data(), messages.size());
        for (ssize_t i = 0; i < count; ++i) {
            const std::unique_ptr<rd_kafka_message_t, DestroyMessage> message(messages[static_cast<std::size_t>(i)]);
            // What is left of the batch when it stops is fetched again by whoever comes next.
            if (!stopping_ && !failed_) take(*message);
        }
    }
}

void PartitionReader::take(const rd_kafka_message_t& message) {
    if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        offset_gone_ = true;
        return fail_with("the broker does not have the offset that is read next");
    }
    // Others are librdkafka's to get over: a broker that is away, a leader that moves.
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    const auto offset = static_cast<std::uint64_t>(message.offset);
    const auto expected = log_->expected();
    if (expected && offset > *expected) {
        if (accepted_jump_ != offset) {
            const Lock lock(mutex_);
            jumped_to_ = offset;
        } else if (auto noted = log_->note_lost(*expected, offset); !noted) {
            return fail_with(noted.error().message);
        }
    }
    const Bytes bytes(static_cast<const std::uint8_t*>(message.payload), message.len);
    auto taken = log_->take(offset, bytes);
    if (!taken) return fail_with(taken.error().message);
    rd_kafka_timestamp_type_t kind{};
    newest_ms_ = rd_kafka_message_timestamp(&message, &kind);
}

void PartitionReader::fail_with(std::string reason) {
    {
        const Lock lock(mutex_);
        reason_ = std::move(reason);
    }
    failed_.store(true, std::memory_order_release);
}

void PartitionReader::sign_head() {
    const auto tree = log_->tree();
    const auto signed_head = signer_.sign({tree.size(), tree.root()}, clock_.unix_ms());
    const Lock lock(mutex_);
    sign_reason_ = signed_head ? std::string() : signed_head.error().message;
}

std::optional<std::uint64_t> PartitionReader::jumped_to() const {
    const Lock lock(mutex_);
    return jumped_to_;
}

std::string PartitionReader::reason() const {
    const Lock lock(mutex_);
    return reason_.empty() ? sign_reason_ : reason_;
}

PartitionState PartitionReader::state() const {
    PartitionState state{.partition = log_->partition(), .open = !has_failed(), .log = log_->health()};
    state.reason = reason();
    std::int64_t low = -1;
    std::int64_t high = -1;
    // Of the last fetch: no question to the broker.
    rd_kafka_get_watermark_offsets(kafka_, topic_.c_str(), static_cast<std::int32_t>(state.partition), &low, &high);
    const std::int64_t next =
        state.log.next_offset ? static_cast<std::int64_t>(*state.log.next_offset) : std::max<std::int64_t>(low, 0);
    if (high > next) {
        state.lag_messages = static_cast<std::uint64_t>(high - next);
        const std::int64_t newest = newest_ms_;
        if (newest > 0) state.lag_seconds = std::max(0.0, static_cast<double>(clock_.unix_ms() - newest) / 1000);
    }
    return state;
}

}  // namespace tidegate::bus
