// Mutual information of two columns of numbers: estimate FILE SEED N_BOOTSTRAP, the file being a CSV of x and y with a header.
// Prints value and standard error in nats.
#include <fastgmmmi.hpp>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <limits>
#include <string>

int main(int count, char **arguments) try {
    if (count != 4) throw std::invalid_argument("usage: estimate FILE SEED N_BOOTSTRAP");
    std::ifstream file(arguments[1]);
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    std::vector<double> x, y;
    double left, right;
    char comma;
    while (file >> left >> comma >> right) {
        x.push_back(left);
        y.push_back(right);
    }

    fastgmmmi::options options;
    options.n_bootstrap = std::stoi(arguments[3]);
    const auto found = fastgmmmi::mutual_information(x, y, std::stoull(arguments[2]), options);
    std::printf("%.17g %.17g\n", found.value, found.standard_error);
} catch (const std::exception &failure) {
    std::cerr << "estimate: " << failure.what() << '\n';
    return 2;
}
