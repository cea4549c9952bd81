#include "bus/bus.h"

namespace tidegate::bus {

Result<WorkerOptions> worker_options(const BusSettings& settings, const std::string& data_dir) {
    WorkerOptions options;
    TG_TRY(options.brokers, brokers_of(settings));
    options.topic = settings.topic;
    options.group = settings.group;
    options.folder = settings.folder.empty() ? data_dir + "/kafka" : settings.folder;
    options.origin = settings.origin.empty() ? "tidegate/" + settings.topic : settings.origin;
    options.log.segment_bytes = settings.segment_bytes / 4096 * 4096;
    options.queue_bytes_max = settings.queue_bytes_max;
    options.checkpoint_interval = settings.checkpoint_interval;
    options.session_max = settings.session_max;
    return options;
}

Result<std::unique_ptr<Bus>> Bus::open(const BusSettings& settings, const BusNeeds& needs) {
    std::unique_ptr<Bus> bus(new Bus(settings.mode, needs));
    if (settings.mode == "produce") {
        ShipperOptions options;
        TG_TRY(options.producer.brokers, brokers_of(settings));
        options.producer.topic = settings.topic;
        options.producer.queue_bytes_max = settings.queue_bytes_max;
        options.position_path = needs.data_dir + "/kafka-position";
        options.block_bytes = settings.block_bytes;
        options.linger = settings.linger;
        TG_TRY(bus->shipper_, Shipper::open(std::move(options), needs.reader, needs.log_id, &needs.log));
    } else if (settings.mode == "consume") {
        TG_TRY(bus->worker_options_, worker_options(settings, needs.data_dir));
    }
    return bus;
}

Result<void> Bus::start() {
    if (shipper_) shipper_->start();
    if (mode_ == "consume") {
        TG_TRY(worker_, Worker::start(worker_options_, needs_.clock, needs_.random, &needs_.log));
    }
    return {};
}

void Bus::stop() {
    if (shipper_) shipper_->stop();
    if (worker_) worker_->stop();
}

bool Bus::is_degraded() const {
    if (shipper_) {
        const ShipperHealth health = shipper_->health();
        return !health.failure.empty() || !health.sender.reason.empty();
    }
    return worker_ && worker_->health().is_degraded();
}

void Bus::append_status(JsonWriter& writer) const {
    writer.begin_object().field("mode", mode_).field("degraded", is_degraded());
    if (shipper_) bus::append_status(writer, shipper_->health());
    if (worker_) bus::append_status(writer, worker_->health());
    writer.end_object();
}

void Bus::declare_metrics(observe::Registry& registry) const {
    if (shipper_) bus::declare_metrics(registry, *shipper_);
    if (worker_) bus::declare_metrics(registry, *worker_);
}

}  // namespace tidegate::bus
