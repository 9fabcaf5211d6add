/* outlive._quick: the two calls that every request makes, without what ctypes asks of a call: 0.2 microseconds in place of 2.
 *
 * The package works without it. It is built against Python's stable interface, so one file serves every version, and it knows nothing of
 * the library but the addresses of two functions, which it is told once, and where a request's options have their label.
 * Whoever calls has the interpreter's lock and keeps it: no two threads are inside one request at the same time.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030a0000 /* what is used of it is in 3.9, too */
#include <Python.h>
#include <string.h>

typedef int (*begin_function)(void *engine, void *settings, const void *options, void **out, void *error);
typedef int (*end_function)(void *request, void *error);

static begin_function request_begin;
static end_function request_end;
static size_t label_offset;

static int takes(const char *name, Py_ssize_t wanted, Py_ssize_t given) {
    if (given == wanted) return 1;
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, not %zd", name, wanted, given);
    return 0;
}

/* bind(begin, end, offset): addresses of outlive_request_begin and outlive_request_end, and the label's place in the options. */
static PyObject *bind(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (!takes("bind", 3, count)) return NULL;
    void *begin = PyLong_AsVoidPtr(arguments[0]), *end = PyLong_AsVoidPtr(arguments[1]);
    size_t offset = PyLong_AsSize_t(arguments[2]);
    if (PyErr_Occurred()) return NULL;
    /* ISO C has no cast from an object's address to a function's; POSIX has. */
    memcpy(&request_begin, &begin, sizeof begin);
    memcpy(&request_end, &end, sizeof end);
    label_offset = offset;
    Py_RETURN_NONE;
}

/* begin(engine, settings, options, label): addresses of three, and text or None. The request's address; less than 0: an error. The library
 * copies the label, so the options are left without one. */
static PyObject *begin(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (!takes("begin", 4, count)) return NULL;
    void *engine = PyLong_AsVoidPtr(arguments[0]), *settings = PyLong_AsVoidPtr(arguments[1]);
    char *options = PyLong_AsVoidPtr(arguments[2]);
    if (PyErr_Occurred()) return NULL;
    if (request_begin == NULL || options == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "begin needs bind, and options");
        return NULL;
    }
    PyObject *bytes = NULL;
    const char *label = arguments[3] == Py_None ? NULL : PyUnicode_AsUTF8AndSize(arguments[3], NULL);
    if (label == NULL && arguments[3] != Py_None) { /* what was no text in the server's eyes either */
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return NULL;
        PyErr_Clear();
        bytes = PyUnicode_AsEncodedString(arguments[3], "utf-8", "surrogateescape");
        label = bytes == NULL ? NULL : PyBytes_AsString(bytes);
        if (label == NULL) {
            Py_XDECREF(bytes);
            return NULL;
        }
    }
    void *request = NULL;
    memcpy(options + label_offset, &label, sizeof label);
    int answer = request_begin(engine, settings, options, &request, NULL);
    label = NULL;
    memcpy(options + label_offset, &label, sizeof label);
    Py_XDECREF(bytes);
    return answer < 0 ? PyLong_FromLong(answer) : PyLong_FromVoidPtr(request);
}

/* end(request, None): as outlive_request_end. */
static PyObject *end(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (!takes("end", 2, count)) return NULL;
    void *request = PyLong_AsVoidPtr(arguments[0]);
    if (PyErr_Occurred()) return NULL;
    if (request_end == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "end needs bind");
        return NULL;
    }
    return PyLong_FromLong(request_end(request, NULL));
}

static PyMethodDef functions[] = {
    {"bind", (PyCFunction)(void (*)(void))bind, METH_FASTCALL, NULL},
    {"begin", (PyCFunction)(void (*)(void))begin, METH_FASTCALL, NULL},
    {"end", (PyCFunction)(void (*)(void))end, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "outlive._quick", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__quick(void) { return PyModule_Create(&definition); }
