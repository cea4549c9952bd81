// PassRunner: the work of one pass: puts requests together, runs the session, gives each its own rows.
//
// Guarantee   A result whose first dimension is not the rows that went in is an error for all, never somebody else's rows.
// Memory      A request that is alone passes its own views; of several, one copy into buffers that are kept between passes
//             (those over kKeptBytesMax in all are freed after the pass). Results are views of the shared result; only what a
//             shorter sequence gets of a padded output is a copy of its own.
// Threads     One runner a thread; the results may be held by anybody.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/backend.h"
#include "model/batcher.h"
#include "model/tensor.h"

namespace tidegate::model {

/// What a pass gave. Views of answers point into it.
struct PassResult {
    std::vector<Tensor> tensors;
    std::vector<std::vector<std::string_view>> strings;  // Of the tensors of kBytes; empty vectors for the others.
    std::vector<std::shared_ptr<const void>> owners;     // Kept alive with it.
};

class PassRunner {
  public:
    explicit PassRunner(const BatcherOptions& options) : options_(options) {}

    /// The session's inputs for these requests together: `rows` in all, sequences filled up to `longest`. The views hold until
    /// the next call or trim().
    Result<std::span<const TensorView>> assemble(std::span<BatchRequest* const> requests, std::uint32_t rows,
                                                 std::uint32_t longest);
    /// After the pass: large buffers are given back.
    void trim() noexcept;

  private:
    static constexpr std::size_t kKeptBytesMax = 16U << 20U;

    Result<void> join(std::size_t input, std::span<BatchRequest* const> requests, std::uint32_t rows,
                      std::uint32_t longest);

    const BatcherOptions& options_;
    std::vector<TensorView> views_;
    std::vector<Tensor> buffers_;  // One an input.
    std::vector<std::vector<std::string_view>> strings_;
};

/// Session::run() with the views of strings made.
Result<std::shared_ptr<PassResult>> run_session(Session& session, std::span<const TensorView> inputs,
                                                std::span<const std::uint32_t> wanted,
                                                const std::atomic<bool>* cancelled);

/// Whether every result has one row for each that went in.
Result<void> check_rows(const PassResult& result, const Session& session, std::span<const std::uint32_t> wanted,
                        std::uint32_t rows);

/// Where a request's rows lie in a pass.
struct RowsAt {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t tokens = 0;
    bool all = false;  // It was alone: the results are its own, whatever their shape.
    std::uint32_t pass_rows = 0;
    std::uint32_t longest = 0;
};

/// Views of a request's own rows into `outputs` (whose capacity is used); returns what keeps them alive.
Result<std::shared_ptr<const void>> take_rows(const std::shared_ptr<PassResult>& result, const BatcherOptions& options,
                                              std::span<const std::uint32_t> wanted, const RowsAt& at,
                                              std::vector<TensorView>& outputs);

/// Whether the tensors are what the request says: rows, bytes for their shapes, sequences of `tokens`.
Result<void> check_request(const BatchRequest& request, const BatcherOptions& options, std::size_t inputs,
                           std::size_t outputs);

}  // namespace tidegate::model
