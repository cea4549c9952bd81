// ModelConfig: what a model's config.yaml or config.pbtxt says, checked, and completed from what the session declares.
//
// Guarantee   A word that nobody knows is an error that names it and its line; a word of Triton's that is not supported here is
//             refused by name, unless it has the value that changes nothing. Nothing is read and then left aside.
// Algorithm   The three notations (protobuf text, YAML, JSON) are read into one tree (config/tree.h); one reader makes the config.
//             As in Triton: without `max_batch_size` it is derived (a first dimension of -1 everywhere is the batch's), and then
//             requests are put together; with it, only where `dynamic_batching` says so.
// Memory      Bounded by kConfigBytesMax of text.
// Threads     Values; no state.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/backend.h"
#include "model/batcher.h"
#include "model/tensor.h"

namespace tidegate::model {

/// A config is a page or two; a megabyte is a mistake or an attack.
inline constexpr std::size_t kConfigBytesMax = 1U << 20U;

enum class ConfigFormat : std::uint8_t { kYaml, kPbtxt, kJson };

/// What a text model does with what the session gives.
enum class Task : std::uint8_t { kNone, kEmbedding, kClassification, kRerank };
enum class Pooling : std::uint8_t { kMean, kCls };
enum class Activation : std::uint8_t { kNone, kSoftmax, kSigmoid };
/// `none`, `embedding`, `classification`, `rerank`; `mean`, `cls`; `none`, `softmax`, `sigmoid`.
std::string_view to_string(Task task) noexcept;
std::string_view to_string(Pooling pooling) noexcept;
std::string_view to_string(Activation activation) noexcept;

/// Where a model is to run: the config's own word, else the repository's.
enum class DeviceChoice : std::uint8_t { kDefault, kCpu, kCuda, kAuto };

/// An input or output as clients see it: without the batch's dimension where the model has one.
struct TensorConfig {
    std::string name;
    DataType type = DataType::kFp32;
    Shape dims;
    std::optional<Shape> reshape;  // What the session gets or gives instead of `dims`; the same elements.
};

struct VersionPolicy {
    enum class Kind : std::uint8_t { kLatest, kAll, kSpecific };
    Kind kind = Kind::kLatest;
    std::uint32_t latest = 1;
    std::vector<std::int64_t> versions;  // kSpecific.
};

/// One input of a warm-up request.
struct WarmupInput {
    enum class Kind : std::uint8_t { kZero, kRandom, kFile, kValues };
    std::string name;
    DataType type = DataType::kFp32;
    Shape dims;
    Kind kind = Kind::kZero;
    std::string file;                // kFile: of the folder NAME/warmup, raw little-endian.
    std::vector<double> numbers;     // kValues, of a number type.
    std::vector<std::string> texts;  // kValues, of BYTES.
};

struct WarmupSample {
    std::string name;
    std::uint32_t batch_size = 1;
    std::uint32_t count = 1;
    std::vector<WarmupInput> inputs;
};

/// Of text models; all words are ours.
struct TextConfig {
    Task task = Task::kNone;
    std::string tokenizer;  // A file of the model's folder; empty: none.
    Pooling pooling = Pooling::kMean;
    bool normalize = true;
    Activation activation = Activation::kSoftmax;
    std::vector<std::string> labels;  // Of the classes, in their order.
    std::uint32_t sequence_max = 0;   // Tokens of one text, longer ones are cut; 0: as the tokenizer says.
    /// Inputs that are filled up with a value when texts of different length share a pass; empty: derived where the task is a
    /// text's and there is an attention_mask.
    std::map<std::string, std::int64_t> padding;
    std::string output;  // The session's output that is pooled; empty: its first.
};

struct ModelConfig {
    std::string name;
    std::uint32_t max_batch_size = 0;  // 0: the model has no batch dimension.
    bool merges = false;               // Requests of several clients share a pass (`dynamic_batching`).
    std::vector<TensorConfig> inputs;
    std::vector<TensorConfig> outputs;
    VersionPolicy version_policy;
    std::string default_model_filename = "model.onnx";

    DeviceChoice device = DeviceChoice::kDefault;
    int device_index = 0;
    unsigned instances = 1;
    std::optional<unsigned> intra_op_threads;  // Unset: the repository's.
    std::optional<unsigned> inter_op_threads;
    std::uint64_t arena_bytes_max = 0;
    std::map<std::string, std::string> parameters;  // As the file has them, for /config.
    std::optional<int> graph_level;                 // optimization.graph.level
    std::map<std::string, std::string>
        backend_options;  // Those of them, and of `optimization`, that the backend judges.

    std::vector<std::uint32_t> preferred_batch_sizes;
    std::uint64_t max_queue_delay_us = 0;
    bool preserve_ordering = false;
    std::uint32_t priority_levels = 0;         // 0: one, and requests name none.
    std::uint32_t default_priority_level = 0;  // 1 is the most urgent.
    std::uint32_t queue_rows_max = 0;          // 0: the batcher's own bound.
    std::uint64_t queue_timeout_us = 0;        // 0: no bound of its own.
    bool allow_timeout_override = true;        // A request may bring a shorter time-out of its own.
    std::uint64_t deadline_ms = 0;             // Of a request that brings none; 0: none.
    std::uint64_t tokens_max = 0;              // Rows x longest of one pass; 0: not counted.

    std::vector<WarmupSample> warmup;
    bool warms_up = true;  // `model_warmup` absent: zeros of the declared shape.
    TextConfig text;

    // What the text itself said, so that complete() fills only the rest.
    bool max_batch_size_given = false;
    bool dynamic_batching_given = false;
};

/// `where` stands before the line number in messages (`config.pbtxt`). kInvalidArgument with every unknown word of the text.
Result<ModelConfig> parse_config(std::string_view text, ConfigFormat format, std::string_view where);

/// A row of up to a thousand numbers is a table's, and cheap: classic models and small networks.
inline constexpr std::uint64_t kTableRowBytesMax = 4096;

/// What complete() fills in where neither config nor session says more.
struct ConfigDefaults {
    std::uint32_t rows_max = 32;          // max_batch_size where it is derived,
    std::uint32_t table_rows_max = 1024;  // and where a row is a table's: all inputs fixed, kTableRowBytesMax together.
    Duration inline_below{};              // BatcherOptions::inline_below of every model.
};

/// Compares the config with what the session declares and fills in what the config left out. kInvalidArgument names the input,
/// output or word that does not fit.
Result<void> complete(ModelConfig& config, std::span<const TensorInfo> inputs, std::span<const TensorInfo> outputs,
                      const ConfigDefaults& defaults);

/// Of a completed config.
BatcherOptions batcher_options(const ModelConfig& config);

/// A tensor of a completed config as clients see it whole: with -1 for the batch where the model has one.
TensorInfo client_info(const ModelConfig& config, const TensorConfig& tensor);

/// The shape that the session sees for a client's `given` (with its batch dimension): `given` itself without a reshape.
/// kFailedValidation: the reshape leaves another number of elements.
Result<Shape> session_shape(const ModelConfig& config, const TensorConfig& tensor, const Shape& given);
/// The way back, for an output.
Result<Shape> client_shape(const ModelConfig& config, const TensorConfig& tensor, const Shape& given);

/// The config as Triton's `/v2/models/NAME/config` has it, a JSON object.
std::string to_triton_json(const ModelConfig& config);

}  // namespace tidegate::model
