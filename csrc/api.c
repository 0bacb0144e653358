/* The table of public functions, for those who cannot link: see FASTGMMMI_IMPORT in fastgmmmi.h. */
#include "core.h"

static const fgm_api api = {.abi_version = FGM_ABI_VERSION,
                            .size = sizeof(fgm_api),
#define FGM_API_ENTRY(name) .name = name,
                            FGM_FUNCTIONS(FGM_API_ENTRY)
#undef FGM_API_ENTRY
};

const fgm_api *fgm_get_api(void) { return &api; }
