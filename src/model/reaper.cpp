#include "model/reaper.h"

namespace tidegate::model {

std::shared_ptr<Reaper> Reaper::start() {
    std::shared_ptr<Reaper> reaper(new Reaper());
    // The thread ends in finish(), before the last holder of the reaper can be gone.
    reaper->thread_ = std::thread([&self = *reaper] { self.run(); });
    return reaper;
}

Reaper::~Reaper() {
    if (thread_.joinable()) finish();
}

ModelPtr Reaper::adopt(std::unique_ptr<Model> model) {
    {
        const Lock lock(mutex_);
        ++living_;
    }
    auto hand_back = [reaper = shared_from_this()](Model* ended) { reaper->take(std::unique_ptr<Model>(ended)); };
    return ModelPtr(model.release(), std::move(hand_back));
}

void Reaper::take(std::unique_ptr<Model> model) {
    const Lock lock(mutex_);
    waiting_.push_back(std::move(model));
    wake_.notify_one();
}

void Reaper::run() {
    while (true) {
        std::vector<std::unique_ptr<Model>> ending;
        {
            const Lock lock(mutex_);
            while (waiting_.empty() && !stopping_) wake_.wait(mutex_);
            if (waiting_.empty()) return;
            ending.swap(waiting_);
        }
        const std::size_t count = ending.size();
        ending.clear();
        const Lock lock(mutex_);
        living_ -= count;
        if (living_ == 0) ended_.notify_all();
    }
}

void Reaper::finish() {
    {
        const Lock lock(mutex_);
        while (living_ > 0) ended_.wait(mutex_);
        stopping_ = true;
        wake_.notify_all();
    }
    thread_.join();
}

}  // namespace tidegate::model
