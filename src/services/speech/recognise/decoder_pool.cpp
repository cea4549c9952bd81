#include "services/speech/recognise/decoder_pool.h"

#include <chrono>

namespace tidegate::speech {

Result<DecoderPool::Lease> DecoderPool::lease(const std::function<bool()>& should_stop) {
    std::unique_ptr<Decoder> taken;
    {
        const Lock lock(mutex_);
        while (free_.empty() && made_.load() >= size_) {
            if (should_stop && should_stop()) return fail(ErrorCode::kCancelled, "The work was cancelled.");
            free_again_.wait_for(mutex_, std::chrono::milliseconds(50));
        }
        if (!free_.empty()) {
            taken = std::move(free_.back());
            free_.pop_back();
        } else {
            made_.fetch_add(1);
        }
        lent_.fetch_add(1);
    }
    if (!taken) {
        auto made = Decoder::make(model_dir_);
        if (!made) {
            const Lock lock(mutex_);
            made_.fetch_sub(1);
            lent_.fetch_sub(1);
            free_again_.notify_one();
            return std::unexpected(std::move(made).error());
        }
        taken = *std::move(made);
    }
    return Lease(taken.release(), [this](Decoder* decoder) { give_back(decoder); });
}

void DecoderPool::give_back(Decoder* decoder) {
    std::unique_ptr<Decoder> back(decoder);
    const Lock lock(mutex_);
    free_.push_back(std::move(back));
    lent_.fetch_sub(1);
    free_again_.notify_one();
}

}  // namespace tidegate::speech
