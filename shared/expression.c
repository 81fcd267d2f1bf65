#include "shared/expression.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/buffer.h"

#define STEPS_MAX 100000
#define MEMORY_MAX ((size_t)64 << 20)

struct expressions {
    const struct space *space;
    lua_State *lua;
    size_t memory; /* that Lua holds, in bytes */
    int *whens;    /* a reference to the function of each parameter's; LUA_NOREF: it has none */
    int *constraints;
    int table; /* a reference to `p` */
    bool has_failed;
    char error[512];
};

/* ---- The interpreter --------------------------------------------------------------------------
 */

/* A lua_Alloc that does not give more than MEMORY_MAX. */
static void *allocate(void *context, void *memory, size_t old_size, size_t size)
{
    struct expressions *expressions = context;
    const size_t held = memory != NULL ? old_size : 0;
    if (size == 0) {
        free(memory);
        expressions->memory -= held;
        return NULL;
    }
    if (size > held && size - held > MEMORY_MAX - expressions->memory) {
        return NULL;
    }
    void *grown = realloc(memory, size);
    if (grown != NULL) {
        expressions->memory = expressions->memory - held + size;
    }
    return grown;
}

static void on_steps(lua_State *lua, lua_Debug *debug)
{
    (void)debug;
    (void)luaL_error(lua, "it takes more than %d steps", STEPS_MAX);
}

/* Lua throws where memory runs out, so that everything that may take some is called through this.
 */
static bool call(struct expressions *expressions, lua_CFunction function, void *argument)
{
    lua_State *lua = expressions->lua;
    lua_settop(lua, 0);
    lua_pushcfunction(lua, function); /* neither takes memory */
    lua_pushlightuserdata(lua, argument);
    return lua_pcall(lua, 1, 1, 0) == LUA_OK;
}

/* ---- Compiling --------------------------------------------------------------------------------
 */

/* Source in, a reference out. */
struct source {
    const char *text;
    size_t size;
    int reference;
};

static int compile(lua_State *lua)
{
    struct source *source = lua_touserdata(lua, 1);
    if (luaL_loadbufferx(lua, source->text, source->size, "=expression", "t") != LUA_OK) {
        return lua_error(lua);
    }
    lua_newtable(lua);
    (void)lua_setupvalue(lua, -2, 1); /* its globals: none */
    source->reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

/* Without "expression:1: ". */
static const char *message(struct expressions *expressions)
{
    const char *text = lua_tostring(expressions->lua, -1);
    const char *behind = text != NULL ? strstr(text, ": ") : NULL;
    return text == NULL ? "out of memory" : behind != NULL ? behind + 2 : text;
}

static enum status compile_text(struct expressions *expressions, const struct buffer *lua,
                                int *reference_out, struct expression_fault *fault)
{
    struct source source = {.text = (const char *)lua->data, .size = lua->size};
    if (!call(expressions, compile, &source)) {
        (void)snprintf(fault->text, sizeof(fault->text), "%s", message(expressions));
        return STATUS_INVALID;
    }
    *reference_out = source.reference;
    return STATUS_OK;
}

/* One expression and nothing else: it has to be one without brackets around it, too. */
static enum status compile_expression(struct expressions *expressions, const char *text,
                                      size_t known, int *reference_out,
                                      struct expression_fault *fault)
{
    static const char head[] = "local p = ... return ";
    struct buffer names = {0};
    struct buffer lua = {0};
    int plain = LUA_NOREF;
    enum status status = expression_rewrite(expressions->space, known, text, &names, fault->text,
                                            sizeof(fault->text));
    if (status == STATUS_OK) {
        status = buffer_printf(&lua, "%s%.*s", head, (int)names.size, (const char *)names.data);
    }
    if (status == STATUS_OK) {
        status = compile_text(expressions, &lua, &plain, fault);
        buffer_clear(&lua);
    }
    if (status == STATUS_OK) {
        luaL_unref(expressions->lua, LUA_REGISTRYINDEX, plain);
        status = buffer_printf(&lua, "%s(%.*s\n)", head, (int)names.size, (const char *)names.data);
    }
    if (status == STATUS_OK) {
        status = compile_text(expressions, &lua, reference_out, fault);
    }
    buffer_free(&names);
    buffer_free(&lua);
    return status;
}

static enum status compile_all(struct expressions *expressions, struct expression_fault *fault)
{
    const struct space *space = expressions->space;
    for (size_t i = 0; i < space->count; i++) {
        expressions->whens[i] = LUA_NOREF;
        fault->at = i;
        if (space->parameters[i].when != NULL) {
            const enum status status = compile_expression(expressions, space->parameters[i].when, i,
                                                          &expressions->whens[i], fault);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    fault->is_constraint = true;
    for (size_t i = 0; i < space->constraint_count; i++) {
        fault->at = i;
        const enum status status = compile_expression(
            expressions, space->constraints[i], space->count, &expressions->constraints[i], fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* ---- Life -------------------------------------------------------------------------------------
 */

static int make_table(lua_State *lua)
{
    int *reference = lua_touserdata(lua, 1);
    lua_newtable(lua);
    *reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

enum status expressions_create(const struct space *space, struct expressions **out,
                               struct expression_fault *fault)
{
    enum status status = STATUS_NO_MEMORY;
    *fault = (struct expression_fault){.text = ""};
    struct expressions *expressions = calloc(1, sizeof(*expressions));
    if (expressions == NULL) {
        return status;
    }
    expressions->space = space;
    expressions->whens = calloc(space->count + 1, sizeof(*expressions->whens));
    expressions->constraints = calloc(space->constraint_count + 1, sizeof(*expressions->whens));
    expressions->lua = lua_newstate(allocate, expressions);
    if (expressions->whens != NULL && expressions->constraints != NULL &&
        expressions->lua != NULL && call(expressions, make_table, &expressions->table)) {
        status = compile_all(expressions, fault);
    }
    if (status != STATUS_OK) {
        expressions_destroy(expressions);
        return status;
    }
    *out = expressions;
    return STATUS_OK;
}

void expressions_destroy(struct expressions *expressions)
{
    if (expressions == NULL) {
        return;
    }
    if (expressions->lua != NULL) {
        lua_close(expressions->lua);
    }
    free(expressions->whens);
    free(expressions->constraints);
    free(expressions);
}

/* ---- Values -----------------------------------------------------------------------------------
 */

/* Lists count from 1, as Lua's do. */
static void push(lua_State *lua, const mf_value *value)
{
    luaL_checkstack(lua, 4, "a value is too deep");
    switch (mf_kind_of(value)) {
    case MF_NULL:
        lua_pushnil(lua);
        break;
    case MF_BOOL:
        lua_pushboolean(lua, mf_bool(value));
        break;
    case MF_INT:
        lua_pushinteger(lua, mf_int(value));
        break;
    case MF_FLOAT:
        lua_pushnumber(lua, mf_float(value));
        break;
    case MF_STR:
    case MF_BYTES:
        (void)lua_pushlstring(lua, mf_str(value), mf_size(value));
        break;
    case MF_LIST:
    case MF_MAP:
        lua_newtable(lua);
        for (size_t i = 0; i < mf_count(value); i++) {
            push(lua, mf_item(value, i));
            if (mf_kind_of(value) == MF_MAP) {
                lua_setfield(lua, -2, mf_key(value, i));
            } else {
                lua_rawseti(lua, -2, (lua_Integer)i + 1);
            }
        }
        break;
    }
}

struct setting {
    const struct expressions *expressions;
    const char *name;
    const mf_value *value;
};

static int set_value(lua_State *lua)
{
    const struct setting *setting = lua_touserdata(lua, 1);
    (void)lua_rawgeti(lua, LUA_REGISTRYINDEX, setting->expressions->table);
    push(lua, setting->value);
    lua_setfield(lua, -2, setting->name);
    return 0;
}

static void note_error(struct expressions *expressions, const char *expression)
{
    if (!expressions->has_failed) {
        expressions->has_failed = true;
        (void)snprintf(expressions->error, sizeof(expressions->error), "%s: %s", expression,
                       message(expressions));
    }
}

void expressions_set(struct expressions *expressions, size_t i, const mf_value *value)
{
    struct setting setting = {
        .expressions = expressions, .name = expressions->space->parameters[i].name, .value = value};
    if (!call(expressions, set_value, &setting)) {
        note_error(expressions, setting.name);
    }
}

static int clear_table(lua_State *lua)
{
    const struct expressions *expressions = lua_touserdata(lua, 1);
    (void)lua_rawgeti(lua, LUA_REGISTRYINDEX, expressions->table);
    for (size_t i = 0; i < expressions->space->count; i++) {
        lua_pushnil(lua);
        lua_setfield(lua, -2, expressions->space->parameters[i].name);
    }
    return 0;
}

void expressions_clear(struct expressions *expressions)
{
    if (!call(expressions, clear_table, expressions)) {
        note_error(expressions, "parameters");
    }
}

/* ---- Evaluating -------------------------------------------------------------------------------
 */

static bool holds(struct expressions *expressions, int reference, const char *expression)
{
    lua_State *lua = expressions->lua;
    lua_settop(lua, 0);
    lua_sethook(lua, on_steps, LUA_MASKCOUNT, STEPS_MAX);
    (void)lua_rawgeti(lua, LUA_REGISTRYINDEX, reference);
    (void)lua_rawgeti(lua, LUA_REGISTRYINDEX, expressions->table);
    const bool is_good = lua_pcall(lua, 1, 1, 0) == LUA_OK;
    lua_sethook(lua, NULL, 0, 0);
    if (!is_good) {
        note_error(expressions, expression);
        return false;
    }
    return lua_toboolean(lua, -1);
}

bool expressions_when(struct expressions *expressions, size_t i)
{
    return expressions->whens[i] == LUA_NOREF ||
           holds(expressions, expressions->whens[i], expressions->space->parameters[i].when);
}

bool expressions_constraint(struct expressions *expressions, size_t i)
{
    return holds(expressions, expressions->constraints[i], expressions->space->constraints[i]);
}

const char *expressions_error(const struct expressions *expressions)
{
    return expressions->has_failed ? expressions->error : NULL;
}
