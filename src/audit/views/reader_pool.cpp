#include "audit/views/reader_pool.h"

#include <utility>

namespace tidegate::audit {

Result<std::shared_ptr<ReaderPool>> ReaderPool::open(ReaderOptions options) {
    std::shared_ptr<ReaderPool> pool(new ReaderPool(options.wait_max));
    for (std::size_t i = 0; i < options.connections; ++i) {
        TG_TRY(store::Database database,
               store::Database::open({.path = options.path, .read_only = true, .vfs = options.vfs}));
        pool->give_back(std::make_unique<store::Database>(std::move(database)));
    }
    return pool;
}

ReaderPool::Lease::Lease(ReaderPool& pool, std::unique_ptr<store::Database> database)
    : pool_(&pool), database_(std::move(database)) {}

ReaderPool::Lease::~Lease() {
    if (database_ != nullptr) pool_->give_back(std::move(database_));
}

Result<ReaderPool::Lease> ReaderPool::borrow() {
    const SteadyTime deadline = std::chrono::steady_clock::now() + wait_max_;
    const Lock lock(mutex_);
    while (idle_.empty()) {
        const Duration left = deadline - std::chrono::steady_clock::now();
        if (left <= Duration::zero())
            return fail(ErrorCode::kUnavailable, "every connection to the decision log is in use");
        returned_.wait_for(mutex_, left);
    }
    std::unique_ptr<store::Database> database = std::move(idle_.back());
    idle_.pop_back();
    return Lease(*this, std::move(database));
}

void ReaderPool::give_back(std::unique_ptr<store::Database> database) {
    {
        const Lock lock(mutex_);
        idle_.push_back(std::move(database));
    }
    returned_.notify_one();
}

}  // namespace tidegate::audit
