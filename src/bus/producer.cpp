#include "bus/producer.h"

#include <atomic>
#include <thread>

#include "base/mutex.h"
#include "bus/kafka_handles.h"
#include "bus/packed_block.h"

namespace tidegate::bus {
namespace {

// A block of one longest record, with room for what the protocol puts around it.
constexpr std::size_t kMessageBytesMax = kBlockBytesMax + 64U * 1024;
constexpr int kReportsPollMs = 100;

struct Outgoing {
    std::string message;
    Producer::Done done;
};

}  // namespace

struct Producer::Impl {
    ProducerOptions options;
    KafkaHandle kafka;
    std::thread poller;
    std::atomic<bool> stopping{false};

    mutable Mutex mutex;
    Condition progressed;
    ProducerHealth health TG_GUARDED_BY(mutex);
    std::optional<std::string> fatal TG_GUARDED_BY(mutex);

    void poll() {
        while (!stopping.load(std::memory_order_relaxed)) rd_kafka_poll(kafka.get(), kReportsPollMs);
    }

    void delivered(const rd_kafka_message_t& message) {
        const std::unique_ptr<Outgoing> outgoing(static_cast<Outgoing*>(message._private));
        Result<void> outcome;
        if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            outcome = std::unexpected(kafka_error("not acknowledged", message.err));
        }
        {
            const Lock lock(mutex);
            if (fatal && !outcome) outcome = fail(ErrorCode::kUnavailable, *fatal);
            health.queue_bytes -= outgoing->message.size();
            if (outcome) {
                ++health.acknowledged;
                health.acknowledged_bytes += outgoing->message.size();
                health.all_brokers_down = false;
            } else {
                ++health.failed;
                health.last_error = outcome.error().message;
            }
        }
        if (outgoing->done) outgoing->done(std::move(outcome));
        progressed.notify_all();
    }

    void failed(int code, const char* reason) {
        const auto error = static_cast<rd_kafka_resp_err_t>(code);
        std::string text = std::string("kafka: ") + reason;
        if (error == RD_KAFKA_RESP_ERR__FATAL) {
            char words[512];
            rd_kafka_fatal_error(kafka.get(), words, sizeof words);
            text = std::string("kafka, and for good: ") + words;
        }
        {
            const Lock lock(mutex);
            ++health.errors;
            health.last_error = text;
            if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) health.all_brokers_down = true;
            if (error != RD_KAFKA_RESP_ERR__FATAL) return;
            fatal = text;
        }
        // Nothing of it will be sent any more: whoever waits is told now.
        rd_kafka_purge(kafka.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
        progressed.notify_all();
    }

    void stop() {
        stopping = true;
        if (poller.joinable()) poller.join();
        if (!kafka) return;
        rd_kafka_purge(kafka.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        // Each message that was taken is answered.
        rd_kafka_flush(kafka.get(), 5'000);
    }
};

Producer::Producer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Producer::~Producer() {
    impl_->stop();
}

Result<std::unique_ptr<Producer>> Producer::open(const ProducerOptions& options) {
    auto impl = std::make_unique<Impl>();
    impl->options = options;
    KafkaConfig config(options.brokers, impl.get());
    config.set("enable.idempotence", "true").set("acks", "all");
    // As Java clients do: a tenant's partition does not depend on who sends.
    config.set("partitioner", "murmur2_random");
    config.set("compression.codec", "none").set("linger.ms", "5").set("batch.size", "983040");
    config.set("message.max.bytes", std::to_string(kMessageBytesMax));
    config.set("message.timeout.ms", std::to_string(options.message_max.count() / 1'000'000));
    config.set("queue.buffering.max.kbytes", std::to_string(2 * (options.queue_bytes_max + kMessageBytesMax) / 1024));
    config.set("queue.buffering.max.messages", "1000000");
    rd_kafka_conf_set_dr_msg_cb(config.get(), [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
        static_cast<Impl*>(opaque)->delivered(*message);
    });
    rd_kafka_conf_set_error_cb(config.get(), [](rd_kafka_t*, int code, const char* reason, void* opaque) {
        static_cast<Impl*>(opaque)->failed(code, reason);
    });
    TG_TRY(impl->kafka, config.make(RD_KAFKA_PRODUCER));
    impl->poller = std::thread([raw = impl.get()] { raw->poll(); });
    return std::unique_ptr<Producer>(new Producer(std::move(impl)));
}

Result<void> Producer::send(std::string_view key, std::string message, Done done) {
    if (message.size() > kMessageBytesMax) return fail(ErrorCode::kTooLarge, "kafka: a message of over 4 MiB");
    const std::size_t bytes = message.size();
    {
        const Lock lock(impl_->mutex);
        if (impl_->fatal) return fail(ErrorCode::kUnavailable, *impl_->fatal);
        if (impl_->health.queue_bytes > 0 && impl_->health.queue_bytes + bytes > impl_->options.queue_bytes_max) {
            ++impl_->health.refused_full;
            return fail(ErrorCode::kUnavailable, "kafka: too much waits for the broker");
        }
        impl_->health.queue_bytes += bytes;
        ++impl_->health.sent;
    }
    auto outgoing = std::make_unique<Outgoing>(Outgoing{std::move(message), std::move(done)});
    std::string owned_key(key);
    // The message stays ours until its report: librdkafka copies nothing.
    rd_kafka_vu_t parts[4]{};
    parts[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    parts[0].u.cstr = impl_->options.topic.c_str();
    parts[1].vtype = RD_KAFKA_VTYPE_KEY;
    parts[1].u.mem.ptr = owned_key.data();
    parts[1].u.mem.size = owned_key.size();
    parts[2].vtype = RD_KAFKA_VTYPE_VALUE;
    parts[2].u.mem.ptr = outgoing->message.data();
    parts[2].u.mem.size = outgoing->message.size();
    parts[3].vtype = RD_KAFKA_VTYPE_OPAQUE;
    parts[3].u.ptr = outgoing.get();
    const KafkaError error(rd_kafka_produceva(impl_->kafka.get(), parts, std::size(parts)));
    const rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error.get()) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        static_cast<void>(outgoing.release());  // Back in delivered().
        return {};
    }
    const Lock lock(impl_->mutex);
    impl_->health.queue_bytes -= bytes;
    --impl_->health.sent;
    return std::unexpected(kafka_error("not taken", code));
}

bool Producer::wait_for_room(std::size_t bytes, Duration most) {
    const auto has_room = [&]() TG_REQUIRES(impl_->mutex) {
        return impl_->fatal || impl_->health.queue_bytes == 0 ||
               impl_->health.queue_bytes + bytes <= impl_->options.queue_bytes_max;
    };
    const Lock lock(impl_->mutex);
    while (!has_room()) {
        // One wait: who is woken and finds no room was not woken for nothing, so the time starts anew.
        if (!impl_->progressed.wait_for(impl_->mutex, most)) return has_room();
    }
    return true;
}

bool Producer::flush(Duration most) {
    const Lock lock(impl_->mutex);
    while (impl_->health.acknowledged + impl_->health.failed < impl_->health.sent) {
        if (!impl_->progressed.wait_for(impl_->mutex, most)) return false;
    }
    return true;
}

std::optional<std::string> Producer::fatal() const {
    const Lock lock(impl_->mutex);
    return impl_->fatal;
}

ProducerHealth Producer::health() const {
    const Lock lock(impl_->mutex);
    return impl_->health;
}

}  // namespace tidegate::bus
