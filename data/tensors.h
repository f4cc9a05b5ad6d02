/*
 * Files of named tensors: weights that travel. Three formats, both ways:
 *
 *   .safetensors  the format of Hugging Face (github.com/huggingface/safetensors): any number of tensors, and texts about them
 *   .npz          NumPy's archive of arrays: np.savez(), np.savez_compressed(), np.load() (with libzip only)
 *   .npy          NumPy's file of one array: np.save(); its tensor has the name ""
 *
 * Saving the weights of a model and loading them, under PyTorch's names:
 *
 *     ag_list *state = nn_state(net);
 *     data_tensors_save("weights.safetensors", state);
 *     ag_list_free(state);
 *
 *     data_tensors *file = data_tensors_open("weights.safetensors");
 *     nn_load_state_dict(net, data_tensors_entries(file), nn_load_defaults(), NULL);     (nn/load.h)
 *     data_tensors_close(file);
 *
 * Weights out of PyTorch, in Python, load by the same calls:
 *
 *     from safetensors.torch import save_file
 *     save_file(model.state_dict(), "weights.safetensors")
 *
 * What a training needs besides its weights is kept by checkpoints (data/checkpoint.h), which are safetensors files, too.
 *
 * Element types. float64, float32, int64 and uint8 are the library's own. Of the others a file may have, numbers are read as the
 * type that holds all of them: F16 and BF16 as float32; I32, U32, I16, U16 and I8 as int64; BOOL as uint8, 0 or 1. U64 and the
 * 8-bit floats of safetensors are listed and can be copied to another file, but not be read.
 */
#ifndef WENGERT_DATA_TENSORS_H
#define WENGERT_DATA_TENSORS_H

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

typedef struct data_tensors data_tensors;

typedef struct data_tensor_info {
    const char *name;  /* valid until data_tensors_close() */
    const char *type;  /* in the file, in the words of safetensors: "BF16" */
    bool readable;     /* false: only to be copied */
    ag_dtype dtype;    /* what it is read as */
    ag_shape shape;
    int64_t offset;    /* of its first byte in the file; -1: it is in an archive */
    int64_t bytes;     /* its length, not compressed */
} data_tensor_info;

/* Opens a file of any of the three formats, told apart by what is in it. The file is mapped into memory: listing reads its header
 * only, and a tensor's numbers are read when they are asked for; the file must not be changed before data_tensors_close(). All
 * that the header says is checked first: the error names the file, the tensor, the place in the file and the reason. Arrays in
 * Fortran order are read into row-major order; byte-swapped ones, objects, texts and records are refused. Never NULL: nil after an
 * error. One thread at a time uses a file. */
AG_API data_tensors *data_tensors_open_at(ag_place where, const char *path);
#define data_tensors_open(...) data_tensors_open_at(AG_HERE, __VA_ARGS__)
AG_API void data_tensors_close(data_tensors *file); /* NULL is fine */

AG_API int64_t data_tensors_count(const data_tensors *file); /* of tensors */
/* Tensor i, in the order of the file; without a name and of no bytes if i is out of range. */
AG_API data_tensor_info data_tensors_info(const data_tensors *file, int64_t i);
AG_API int64_t data_tensors_find(const data_tensors *file, const char *name); /* i of that name; -1 if there is none */

/* The texts beside the tensors (safetensors only): how many, the key of text i ("" out of range), and the text of a key (NULL if
 * there is none). */
AG_API int64_t data_tensors_texts(const data_tensors *file);
AG_API const char *data_tensors_text_key(const data_tensors *file, int64_t i);
AG_API const char *data_tensors_text(const data_tensors *file, const char *key);

/* A tensor of that name with the numbers of the file, in the innermost scope; AG_NIL after an error. */
AG_API ag_tensor data_tensors_get_at(ag_place where, data_tensors *file, const char *name);
/* Writes the numbers, row-major, as numbers of `dtype`: that of the info, or one that it converts to (ag_dtype_converts()).
 * `count` must be how many there are. */
AG_API ag_error data_tensors_read_at(ag_place where, data_tensors *file, const char *name, ag_dtype dtype, void *numbers,
                                     int64_t count);
#define data_tensors_get(...) data_tensors_get_at(AG_HERE, __VA_ARGS__)
#define data_tensors_read(...) data_tensors_read_at(AG_HERE, __VA_ARGS__)
/* All that can be read, for those who load by name; borrows the file. */
AG_API ag_entries data_tensors_entries(data_tensors *file);

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

/* Writes the tensors of a list under their names, in the format that the ending of the path says: any number of them, or
 * for .npy one, whose name is not kept. Names are distinct. NumPy has no bfloat16. The file appears whole or not at all: it is written beside its place, brought to the disk, and renamed; what stood there before stays after an error. */
AG_API ag_error data_tensors_save_at(ag_place where, const char *path, const ag_list *list);
#define data_tensors_save(...) data_tensors_save_at(AG_HERE, __VA_ARGS__)

/* A file that is put together first: tensors of several lists, texts, copies out of other files. What is added is borrowed, and
 * must stay until it is saved. Errors of adding are errors of saving, too. Never NULL: nil after an error. */
typedef struct data_tensors_writer data_tensors_writer;
AG_API data_tensors_writer *data_tensors_writer_new_at(ag_place where);
#define data_tensors_writer_new() data_tensors_writer_new_at(AG_HERE)
/* Adds a tensor; it may have any layout and is written row-major. Names are distinct. */
AG_API ag_error data_tensors_writer_add_at(ag_place where, data_tensors_writer *w, const char *name, ag_tensor t);
/* Adds all tensors of a list, each under `prefix` and its name. */
AG_API ag_error data_tensors_writer_add_list_at(ag_place where, data_tensors_writer *w, const char *prefix, const ag_list *list);
/* Adds a tensor of another file with the bytes that it has there, of whatever type. `name` NULL: its name. */
AG_API ag_error data_tensors_writer_copy_at(ag_place where, data_tensors_writer *w, data_tensors *file, int64_t i,
                                            const char *name);
/* Adds a text (safetensors only: saving to another format is refused then). */
AG_API ag_error data_tensors_writer_text_at(ag_place where, data_tensors_writer *w, const char *key, const char *value);
/* Whether .npz files are compressed, as np.savez_compressed() does; default false. Saving to another format is refused then. */
AG_API ag_error data_tensors_writer_compress_at(ag_place where, data_tensors_writer *w, bool compress);
/* Writes what was added, as data_tensors_save() does; the writer can be added to and saved again. */
AG_API ag_error data_tensors_writer_save_at(ag_place where, data_tensors_writer *w, const char *path);
#define data_tensors_writer_add(...) data_tensors_writer_add_at(AG_HERE, __VA_ARGS__)
#define data_tensors_writer_add_list(...) data_tensors_writer_add_list_at(AG_HERE, __VA_ARGS__)
#define data_tensors_writer_copy(...) data_tensors_writer_copy_at(AG_HERE, __VA_ARGS__)
#define data_tensors_writer_text(...) data_tensors_writer_text_at(AG_HERE, __VA_ARGS__)
#define data_tensors_writer_compress(...) data_tensors_writer_compress_at(AG_HERE, __VA_ARGS__)
#define data_tensors_writer_save(...) data_tensors_writer_save_at(AG_HERE, __VA_ARGS__)
AG_API void data_tensors_writer_free(data_tensors_writer *w); /* NULL is fine */

AG_EXTERN_C_END

#endif
