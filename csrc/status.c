/* The version, and the text of every error code, from the one list in fastgmmmi.h. */
#include "core.h"

const char *fgm_strerror(int status) {
    switch (status) {
#define FGM_STATUS_TEXT(name, code, text) \
    case FGM_##name: return text;
        FGM_STATUS_LIST(FGM_STATUS_TEXT)
#undef FGM_STATUS_TEXT
    default: return "unknown error code";
    }
}

const char *fgm_version(void) { return FGM_VERSION; }
