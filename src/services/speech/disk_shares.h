// DiskShares: how many bytes the recordings of one tenant hold on the disk, so that none takes the room of all.
//
// Guarantee   What comes in and what waits or is in work together stays within the share: whoever brings more is refused while it comes.
//             What comes in is counted here, what was accepted is asked of the store, so that a restart knows it too.
//             Callers of no tenant have no share: they are many, and one could take it from all; speech.disk_free_min_bytes bounds them.
// Threads     Any that may wait for the database; it is asked again after each kLookEachBytes of an upload.
// When full   kResourceExhausted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"
#include "services/speech/store.h"

namespace tidegate::speech {

class DiskShares {
  public:
    static constexpr std::uint64_t kLookEachBytes = 1024 * 1024;

    DiskShares(SpeechStore& store, std::uint64_t tenant_max) : store_(store), tenant_max_(tenant_max) {}

    /// The bytes of one upload, until it is accepted or gone. The shares outlive it.
    class Place {
      public:
        Place() = default;
        Place(DiskShares& owner, std::string tenant) : owner_(&owner), tenant_(std::move(tenant)) {}
        Place(Place&& other) noexcept { swap(other); }
        Place& operator=(Place&& other) noexcept {
            swap(other);
            return *this;
        }
        ~Place() { give_back(); }
        /// So many more; kResourceExhausted, kUnavailable (the database).
        Result<void> grow(std::uint64_t bytes);
        void give_back() noexcept;

      private:
        void swap(Place& other) noexcept {
            std::swap(owner_, other.owner_);
            std::swap(tenant_, other.tenant_);
            std::swap(bytes_, other.bytes_);
            std::swap(waiting_, other.waiting_);
            std::swap(looked_at_, other.looked_at_);
        }
        DiskShares* owner_ = nullptr;  // Null: nobody counts.
        std::string tenant_;
        std::uint64_t bytes_ = 0;
        std::uint64_t waiting_ = 0;    // Of the tenant's accepted ones, when it was looked.
        std::uint64_t looked_at_ = 0;  // Bytes then; 0: not yet.
    };

    std::uint64_t tenant_max() const noexcept { return tenant_max_; }

  private:
    SpeechStore& store_;
    const std::uint64_t tenant_max_;
    Mutex mutex_;
    std::map<std::string, std::uint64_t, std::less<>> coming_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::speech
