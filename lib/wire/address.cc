#include "wire/address.h"
