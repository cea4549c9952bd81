// KnownTexts: texts of batches that were analysed a moment ago, as their answers are written, so that one that comes again is not
// computed again.
//
// Position    The batch route's own. The answer of the single route is kept whole, by the pipeline; a batch is a question of its own each
//             time, with its own ids and price, and what repeats in it are its texts.
// Guarantee   What is given is what the analysis would be: the same text and model give the same bytes (text/detector.h), and the model
//             does not change while the process lives. A failure is not remembered.
// Algorithm   By the tenant, the SHA-256 of the text and what the caller told of it; the one unused longest goes.
// Memory      bytes_max, everything that belongs to an entry counted.
// Threads     Any; a lock for a look-up, none while a text is analysed: two that ask for the same one at once both compute it.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/mutex.h"
#include "services/provenance/text_answer.h"

namespace tidegate::provenance {

class KnownTexts {
  public:
    explicit KnownTexts(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    /// The analysis of a text, remembered or made now; or why it could not be made. Remembered for the tenant alone: how long an answer
    /// took tells nobody what others have asked.
    Result<std::shared_ptr<const WrittenText>> analyse(const TextModel& detector, std::string_view tenant,
                                                       std::string_view utf8, const TextContext& told);
    std::size_t bytes() const;

  private:
    struct Known {
        std::string key;
        std::shared_ptr<const WrittenText> written;
        std::size_t bytes = 0;
    };
    using Order = std::list<Known>;
    std::shared_ptr<const WrittenText> find(const std::string& key);
    void keep(std::string key, std::shared_ptr<const WrittenText> written);

    const std::size_t bytes_max_;
    mutable Mutex mutex_;
    Order order_ TG_GUARDED_BY(mutex_);                                                   // The one used last in front.
    std::unordered_map<std::string_view, Order::iterator> places_ TG_GUARDED_BY(mutex_);  // Keys are those of order_.
    std::size_t bytes_ TG_GUARDED_BY(mutex_) = 0;
};

}  // namespace tidegate::provenance
